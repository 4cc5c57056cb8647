"""Other evaluators of CEL, each rule by itself, as their users would call them.

Reads one JSON call a line and answers with one: ``load`` rules and one situation, then ``rust``
(``cel.evaluate``, which parses every time), ``rust_compiled`` (compiled before) or ``python``
(cel-python, compiled before) on the first so many rules. Answers tell the seconds it took and what
was found.
"""

from time import process_time

import cel
import celpy
from answering import answer_calls
from celpy.adapter import json_to_cel


class Peer:
    def load(self, rules: list, values: dict, python_rules: int) -> dict:
        self.rules = rules
        self.context = cel.Context(variables=values)
        self.programs = [cel.compile(rule) for rule in rules]
        environment = celpy.Environment()
        self.runners = [
            environment.program(environment.compile(rule)) for rule in rules[:python_rules]
        ]
        self.activation = {name: json_to_cel(value) for name, value in values.items()}
        return {}

    def rust(self, count: int) -> dict:
        begin = process_time()
        found = [cel.evaluate(rule, self.context) for rule in self.rules[:count]]
        return {"seconds": process_time() - begin, "found": found}

    def rust_compiled(self, count: int) -> dict:
        begin = process_time()
        found = [program.execute(self.context) for program in self.programs[:count]]
        return {"seconds": process_time() - begin, "found": found}

    def python(self, count: int) -> dict:
        begin = process_time()
        found = [runner.evaluate(self.activation) for runner in self.runners[:count]]
        return {"seconds": process_time() - begin, "found": [bool(value) for value in found]}


if __name__ == "__main__":
    answer_calls(Peer())
