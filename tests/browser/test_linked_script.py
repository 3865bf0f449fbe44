"""The page's modules as one script, in a browser: whichever way they import and export, what is meant arrives."""

from ppo_scope.server.linking import linked, text_of

MODULES = {
    "app.js": (
        'import * as whole from "./deep/counter.js";\n'
        'import {\n  more as counted,\n  Counter,\n} from "./passing.js";\n'
        'import { one } from "./one.js";\n'
        "const local = one;\n"
        "counted();\n"
        "window.found = [whole.steps.map(String), counted(), new Counter().name, await whole.late(), "
        "[...whole.several()], local, Object.keys(whole).sort()];\n"
    ),
    "passing.js": 'export { count as more, Counter } from "./deep/counter.js";\n',
    "deep/counter.js": (
        'import { one } from "../one.js";\n'
        "let at = one; // of this module alone\n"
        "export const steps = [at];\n"
        "export function count() {\n  return (at += one);\n}\n"
        "export class Counter {\n  name = `export const in a text`;\n}\n"
        "export async function late() {\n  return at;\n}\n"
        "export function* several() {\n  yield at;\n  yield at + local;\n}\n"
        "const local = 40;\n"
    ),
    "one.js": "export const one = 1;\n",
}
RUN = "script => import(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })))"


def test_names_arrive_whichever_way_they_are_imported(page):
    page.goto("about:blank")  # where another test left the tab, a policy may forbid a script like this one
    page.evaluate(RUN, text_of(linked(MODULES, "app.js")))
    names = ["Counter", "count", "late", "several", "steps"]
    assert page.evaluate("window.found") == [["1"], 3, "export const in a text", 3, [3, 43], 1, names]
