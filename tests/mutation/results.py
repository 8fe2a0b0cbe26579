# SPDX-License-Identifier: GPL-2.0
"""For tests/mutation/sample: results, and the survivors that do no harm."""
import hashlib
import json
import os
import re
import threading

from paths import HERE, ROOT, STATE

LOCK = threading.Lock()


def results_path(area):
    return os.path.join(STATE, 'results-%s.jsonl' % area)


def digest(path):
    with open(os.path.join(ROOT, path), 'rb') as stream:
        return hashlib.sha256(stream.read()).hexdigest()[:16]


def read_results(area):
    """By ID: the last result that was had with the file as it is now."""
    known = {}
    if os.path.exists(results_path(area)):
        with open(results_path(area)) as lines:
            for line in lines:
                result = json.loads(line)
                known[result['id'], result['digest']] = result
    return known


def keep(area, result):
    with LOCK, open(results_path(area), 'a') as stream:
        stream.write(json.dumps(result) + '\n')


def read_survivors():
    """By the mutant's text, as in the file: what was there, what is there now, and why not."""
    reasons = {}
    with open(os.path.join(HERE, 'survivors')) as lines:
        for line in lines:
            if line.strip() and not line.startswith('#'):
                file, change, reason = [part.strip() for part in line.split('\t') if part.strip()]
                reasons[file, change] = reason
    return reasons


def squeeze(text):
    return ' '.join(text.split())


def change_of(mutant):
    with open(os.path.join(ROOT, mutant.file)) as stream:
        text = stream.read()
    first = text.rfind('\n', 0, mutant.start) + 1
    last = text.find('\n', mutant.end)
    old = text[first:last]
    new = text[first:mutant.start] + mutant.new + text[mutant.end:last]
    return squeeze(old) + ' => ' + squeeze(new)


def excused(reasons, path, change):
    # A folder may change, a name stays.
    return reasons.get((re.sub(r'^gophership_', '', os.path.basename(path)), change))


def excuse(reasons, mutant):
    return excused(reasons, mutant.file, change_of(mutant))
