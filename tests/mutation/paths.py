# SPDX-License-Identifier: GPL-2.0
"""For tests/mutation/sample: where things are, and the map of files and tests."""
import fnmatch
import os

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.realpath(os.environ.get('GOPHERSHIP_REPOSITORY') or os.path.join(HERE, '../..'))
STATE = os.path.join(ROOT, 'build/mutation')


def read_map():
    """Rows of (area, glob, tests); tests is None where there are to be no mutants."""
    rows = []
    with open(os.path.join(HERE, 'map')) as lines:
        for line in lines:
            if not line.strip() or line.startswith('#'):
                continue
            area, pattern, tests = line.split(None, 2)
            if tests.startswith('-'):
                rows.append((area, pattern, None))
            else:
                rows.append((area, pattern, [t.strip() for t in tests.split(';')]))
    return rows


def row_of(rows, path):
    for row in rows:
        # So that *buf.c is a whole name, in a folder or with a prefix, and not libbuf.c.
        if fnmatch.fnmatch(path, row[1]):
            return row
    return None


def sources():
    """Paths of all C files of the products, without what is built."""
    found = []
    for top, folders, files in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f not in ('.git', 'build'))
        found += [os.path.relpath(os.path.join(top, f), ROOT) for f in sorted(files)
                  if f.endswith(('.c', '.h')) and not f.endswith('.mod.c')]
    return found
