#!/usr/bin/env python3
"""check_schema.py SCHEMA FILE [LINE...]: exactly the given lines of a JSONL file break the schema."""
import json
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("skipped: schemas: python3-jsonschema is missing (Debian: python3-jsonschema)")
    sys.exit(0)


def breaks(validator, line):
    try:
        value = json.loads(line)
    except ValueError:
        return "no JSON"
    error = next(validator.iter_errors(value), None)
    return error.message if error else None


def main(schema_path, path, *bad):
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    expected = {int(number) for number in bad}
    failed = False
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            reason = breaks(validator, line) if line.strip() else None
            if (reason is not None) != (number in expected):
                print(f"{path}:{number}: {reason or 'the schema lets it pass'}")
                failed = True
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
