# SPDX-License-Identifier: GPL-2.0
"""For tests/mutation/sample: a copy of the sources to try mutants in."""
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time

from paths import ROOT, STATE


def shell(function, *arguments, log, seconds, kernel, extra=None):
    """A function of suites.bash; the status, or 124 after @seconds."""
    environment = dict(os.environ, KBUILD_ARGS='KCFLAGS=-Werror')
    environment.update(extra or {})
    script = 'repository=%s kernel=%s; . "$repository/tests/mutation/suites.bash"; "$@"' % (
        "'" + ROOT.replace("'", "'\\''") + "'", kernel)
    with open(log, 'ab') as output:
        child = subprocess.Popen(['bash', '-c', 'set -o pipefail; ' + script, 'sample', function,
                                  *arguments], stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=subprocess.STDOUT, start_new_session=True, env=environment)
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            return 124
        finally:
            # With the guest, whatever is left of it.
            try:
                os.killpg(child.pid, signal.SIGTERM)
                time.sleep(0.2)
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


# Where build_AREA of suites.bash leaves its objects.
BUILT = {'kernel': 'uml', 'library': 'library', 'tool': 'userspace-static'}
PATIENCE = {'model': 240, 'litmus': 60, 'kunit': 420, 'lib': 180, 'libguest': 300, 'ship': 600,
            'pressure': 1200, 'driver': 400}


class Place:
    """A copy of the sources, in which one mutant after the other is planted."""

    def __init__(self, number, area, kernel):
        self.directory = os.path.join(STATE, 'copy-%s-%d' % (area, number))
        self.log = os.path.join(STATE, 'log-%s-%d' % (area, number))
        self.area, self.kernel = area, kernel
        shutil.rmtree(os.path.join(self.directory, 'tests'), ignore_errors=True)
        open(self.log, 'w').close()
        if shell('make_copy', self.directory, log=self.log, seconds=120, kernel=kernel):
            raise SystemExit('no copy: see ' + self.log)
        if self.build():
            raise SystemExit('the sources do not compile as they are: see ' + self.log)
        self.original = self.objects()

    def build(self):
        extra = {'GOPHERSHIP_REPOSITORY': self.directory}
        return shell('build_' + self.area, self.directory, log=self.log, seconds=600,
                     kernel=self.kernel, extra=extra)

    def objects(self):
        """What the compiler made of each source, but for the debug information."""
        sums = {}
        for top, folders, files in os.walk(os.path.join(self.directory, 'build', BUILT[self.area])):
            folders[:] = [f for f in folders if f not in ('kunit', 'torture', 'vm')]
            for name in files:
                path = os.path.join(top, name)
                if name.endswith('.o') and not name.endswith('.mod.o') and name != 'gophership.o':
                    stripped = self.log + '.o'
                    subprocess.run(['objcopy', '--strip-debug', '--remove-section=.note*',
                                    '--remove-section=.comment', path, stripped], check=False,
                                   stderr=subprocess.DEVNULL)
                    with open(stripped, 'rb') as stream:
                        sums[path] = hashlib.sha256(stream.read()).hexdigest()
        return sums

    def plant(self, mutant):
        path = os.path.join(self.directory, mutant.file)
        with open(os.path.join(ROOT, mutant.file)) as stream:
            text = stream.read()
        with open(path, 'w') as stream:
            stream.write(text[:mutant.start] + mutant.new + text[mutant.end:])

    def restore(self, mutant):
        shutil.copyfile(os.path.join(ROOT, mutant.file), os.path.join(self.directory, mutant.file))

    def try_tests(self, tests):
        """(verdict, by, name of what failed)"""
        for test in tests:
            open(self.log, 'w').close()
            kind = test.split()[0]
            status = shell('run_test', self.directory, test, log=self.log,
                           seconds=PATIENCE.get(kind, 400), kernel=self.kernel)
            with open(self.log, errors='replace') as stream:
                said = stream.read()
            name = named_failure(said)
            if status == 99 and not name:
                name = 'the kernel complained: ' + complaint(said)
            elif status == 96 and not name:
                name = 'the module could not be loaded or unloaded'
            if status and name:
                return 'caught', test, name
            if status:
                # Not named by this one: the next one may know better.
                print('# %s ended with %d and named nothing' % (test, status), flush=True)
        return 'survived', '', ''

    def attempt(self, mutant, tests):
        self.plant(mutant)
        try:
            if mutant.operator == 'order' and 'litmus' in tests:
                # The CPU may do by itself what the object code does not ask for.
                tests = ['litmus'] + [t for t in tests if t != 'litmus']
            open(self.log, 'w').close()
            if self.build():
                return 'no mutant: it does not compile', '', ''
            if self.objects() == self.original:
                if mutant.operator != 'order':
                    return 'no mutant: the object code is the same', '', ''
                tests = [t for t in tests if t == 'litmus']
            return self.try_tests(tests)
        finally:
            self.restore(mutant)


def named_failure(said):
    for line in said.splitlines():
        match = re.match(r'not ok +(.*[a-z].*)', line)
        if match and not re.search(r'did not run|did not end|ended with \d', line):
            return match.group(1)
    return ''


def complaint(said):
    match = re.search(r'^.*(?:BUG|WARNING|Oops|KASAN|panic|stall).*$', said, re.M)
    return match.group(0).strip()[:80] if match else 'see its log'
