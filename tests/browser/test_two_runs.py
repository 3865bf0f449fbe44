"""Two runs in one page: laid over each other or side by side, on the same axes, and stepped together."""

import json
import re

from tests.browser.dashboard import Dashboard, only, until
from tests.browser.labels import OVERLAPS
from tests.browser.test_accessibility import violations
from tests.browser.test_runs import beside, items, opener_of

AXES = """name => [...document.querySelectorAll(`section[aria-label="${name}"] .chart`)].map(({ layout }) => {
    const axes = Object.entries(layout ?? {}).filter(([key]) => /^[xy]axis/.test(key));
    return Object.fromEntries(axes.map(([key, { range }]) => [key, range]));
})"""
SIDES = "Loss components", "KL and clipping", "Ratio histogram", "Values", "Policy"
SHOWN = ",".join(name.lower().replace(" ", "-") for name in ("Episodic return", "Clip mask", *SIDES))
SMALL = ("--paused", "--seed", "7", "--num-envs", "2", "--rollout-steps", "32", "--epochs", "2", "--minibatches", "2")


def strip(page):
    """The line that says which runs there are."""
    return page.get_by_role("region", name="Compared runs")


def places(page):
    return [text.split("\n")[-1] for text in strip(page).locator(".place").all_inner_texts()]


def address(page):
    """As the page itself has it: Playwright is told of changes late, or never where the page has just been loaded."""
    return page.evaluate("location.href")


def stepped(page, *wanted):
    """Step, and wait until both runs are where they are to be."""
    page.get_by_role("button", name="Step", exact=True).click()
    until(lambda: places(page), lambda seen: seen == [f"update {update}" for update in wanted])


def compare(page, seed=3):
    opener_of(page).click()
    page.get_by_role("button", name=f"Compare with CartPole-v1, seed {seed}").click()
    until(strip(page).is_visible)


def open_two(server, page, *, query="", **settings):
    live = server(*SMALL)
    dashboard = Dashboard(page, live.url.replace("#", f"?panels={SHOWN}{query}#")).step(update="1")
    assert beside(page, seed=3, epochs=2, minibatches=2, **settings)
    until(opener_of(page).inner_text, lambda text: "+1" in text)
    compare(page)
    return live, dashboard


def alike(name, axes):
    """Whether both sides of a panel are drawn, on the same axes."""
    if len(axes) != 2 or not all(axes):
        return False
    if name == "Policy":  # which states are drawn, and how many have room, is each run's own
        axes = [{key: side[key] for key in ("yaxis", "xaxis2", "yaxis3")} for side in axes]
    return axes[0] == axes[1]


def test_the_other_run_is_laid_over_and_stands_beside_on_the_same_axes_and_one_step_is_of_both(server, page):
    page.set_viewport_size({"width": 1440, "height": 3200})
    _, dashboard = open_two(server, page, clip_range=0.05)
    until(lambda: places(page), lambda seen: seen == ["update 1", "update 0"])
    height = "chart => chart.layout?.yaxis.range[1]"  # the other has no episode yet: the axis is that of the one
    until(lambda: dashboard.panel("Episodic return").locator(".chart").evaluate(height), lambda top: top and top > 10)
    stepped(page, 2, 1)
    stepped(page, 3, 2)

    differ = strip(page).locator("summary")
    assert differ.inner_text() == "Differ: Clip range ε"
    differ.press("Enter")
    rows = [row.split("\t") for row in strip(page).locator("tbody tr").all_inner_texts()]
    assert ["Clip range ε", "0.2", "0.05"] in rows and ["Seed", "7", "3"] in rows and len(rows) == 2
    page.keyboard.press("Escape")
    assert not strip(page).locator("table").is_visible()

    returns = dashboard.panel("Episodic return")
    assert returns.locator(".of-runs span > span").all_inner_texts() == ["seed 7", "seed 3 (clip range 0.05)"]
    drawn = "canvas => Number(canvas.dataset.episodes)"
    both = until(lambda: [one.evaluate(drawn) for one in returns.locator(".episodes, .other-episodes").all()], all)
    assert len(both) == 2
    lines = "chart => chart.data.slice(0, 2).map(({ y }) => y.length)"
    # Of the run at hand, and of the other one. Panels are drawn after the line that says where the runs are.
    until(lambda: returns.locator(".chart").evaluate(lines), lambda lengths: lengths == [3, 2])

    for name in SIDES:
        until(lambda name=name: page.evaluate(AXES, name), lambda axes, name=name: alike(name, axes))
    ranges = [chart.get_attribute("data-clip-range") for chart in page.locator("#panel-ratio-histogram .chart").all()]
    assert ranges == ["0.2", "0.05"], "each has its own band"
    masks = page.locator("#panel-clip-mask canvas")
    until(lambda: [mask.get_attribute("data-update") for mask in masks.all()], lambda updates: updates == ["3", "2"])

    assert violations(page) == []
    dashboard.key("g")
    until(lambda: not strip(page).is_visible())  # the guide shows one run
    dashboard.key("g")
    until(lambda: strip(page).is_visible() and page.locator("#panel-values .chart").count() == 2)

    strip(page).get_by_role("button", name="End comparing").click()
    until(lambda: not strip(page).is_visible())
    assert page.evaluate("document.activeElement.innerText").startswith("Runs:")
    until(lambda: page.locator("#panel-values .chart").count() == 1)
    dashboard.step(update="4")
    assert page.evaluate("fetch('api/runs').then(r => r.json())")[0]["update"] == 2, "the other one stays where it was"


def test_two_runs_are_aligned_by_environment_steps_and_looked_back_at_together(server, page):
    _, dashboard = open_two(server, page, num_envs=4, query=",sample")
    until(lambda: places(page), lambda seen: seen == ["update 1", "update 0"])
    page.get_by_label("Aligned by").select_option("steps")
    why = strip(page).get_by_role("status")
    until(why.inner_text, lambda text: "seed 7: has more environment steps" in text)
    stepped(page, 1, 1)
    until(why.inner_text, lambda text: "seed 3: has more environment steps" in text)
    stepped(page, 2, 1)
    until(why.inner_text, lambda text: text == "")  # 64 steps an update, and 128: both are as far
    stepped(page, 3, 2)
    axis = page.locator("#panel-episodic-return .chart")
    until(lambda: axis.evaluate("chart => chart.layout?.xaxis.title.text"), lambda text: text == "environment steps")
    page.get_by_role("slider", name="Timeline").fill("2")
    until(lambda: places(page), lambda seen: seen == ["update 2, of the past", "update 1, of the past"])
    dashboard.press("Back to live")
    until(lambda: places(page), lambda seen: seen == ["update 3", "update 2"])


LATE = """() => {
    const Socket = WebSocket;
    window.held = [];
    window.WebSocket = class extends Socket {
        send(said) { window.held ? window.held.push(() => super.send(said)) : super.send(said); }
    };
}"""
"""What says nothing until it may: whatever is connected from now on."""
MAY = "() => { const held = window.held; window.held = null; held.forEach((say) => say()); }"


def test_a_run_that_has_only_just_been_put_beside_takes_part_in_the_next_step_and_in_the_past(server, page):
    live = server(*SMALL)
    dashboard = Dashboard(page, live.url.replace("#", f"?panels={SHOWN}#")).step(update="1").step(update="2")
    assert beside(page, seed=3, epochs=2, minibatches=2)
    until(opener_of(page).inner_text, lambda text: "+1" in text)
    page.evaluate(LATE)
    compare(page)
    page.get_by_role("button", name="Step", exact=True).click()
    why = strip(page).get_by_role("status")
    until(why.inner_text, lambda text: "seed 3: has just been put beside, and is waited for." in text)
    assert places(page)[0] == "update 2", "the one at hand has not gone without it"
    page.evaluate(MAY)
    until(lambda: places(page), lambda seen: seen == ["update 3", "update 1"])
    stepped(page, 4, 2)
    strip(page).get_by_role("button", name="End comparing").click()
    until(lambda: not strip(page).is_visible())

    page.get_by_role("slider", name="Timeline").fill("1")
    dashboard.at(update="1", live="false")
    compare(page)
    until(lambda: places(page), lambda seen: seen == ["update 1, of the past", "update 1, of the past"])


WISHED = """
let [tell, waits] = [() => {}, true];
const did = [];
const source = (name) => ({
  name, whyNot: () => null, play: async () => did.push(`${name} plays`), step: async () => did.push(`${name} steps`),
});
const [mine, example] = [source("mine"), source("example")];
let all = [mine];
const page = { state: { view: { align: "update" } }, subscribe: (hear) => (tell = hear) };
const together = m.createTogether(page, { sources: () => all, asked: () => waits && all[0] === mine }, () => {});
for (const wish of ["step", "play"]) {
  waits = true;
  together[wish]();
  if (guided) [example, mine].forEach((one) => ((all = [one]), tell()));
  waits = false;
  tell();
}
return did;
"""


def test_what_waits_for_a_compared_run_is_dropped_where_an_example_comes_on_show_meanwhile(modules):
    for guided, did in (("false", ["mine steps", "mine plays"]), ("true", [])):
        assert modules("run/together.js", f"const guided = {guided}; {WISHED}") == did


def test_each_run_of_two_is_led_by_itself_and_ends_by_itself(server, page, new_page):
    live, dashboard = open_two(server, page)
    stepped(page, 2, 1)
    elsewhere = Dashboard(new_page(), only(live, "Loss components"))
    elsewhere.page.locator(".run").click()
    items(elsewhere.page).first.click()
    elsewhere.at(update="1")
    elsewhere.press("Take control")
    step = page.get_by_role("button", name="Step", exact=True)
    until(lambda: step.get_attribute("title"), lambda title: "seed 3: Another tab controls this run." in title)
    stepped(page, 3, 1)
    assert "Another tab controls" in strip(page).get_by_role("status").inner_text()
    elsewhere.page.goto("about:blank")
    until(lambda: "Another tab" not in strip(page).get_by_role("status").inner_text())
    stepped(page, 4, 2)
    opener_of(page).click()
    items(page).first.click()
    until(lambda: not strip(page).is_visible())
    dashboard.at(update="2", state="paused")
    assert "Both runs are the same one now" in page.locator(".toasts").inner_text()


def test_a_page_that_is_loaded_anew_compares_the_same_two(server, page):
    open_two(server, page)
    stepped(page, 2, 1)
    until(lambda: address(page), lambda url: "beside=run:" in url)
    compared = address(page)
    page.reload()
    until(lambda: places(page), lambda seen: seen == ["update 2", "update 1"])
    stepped(page, 3, 2)  # both runs are still led from here
    strip(page).get_by_role("button", name="End comparing").click()
    until(lambda: address(page), lambda url: "beside" not in url)
    page.reload()
    until(opener_of(page).inner_text, lambda text: "+1" in text)
    assert not strip(page).is_visible()
    page.goto(re.sub("run:[0-9a-f]+", "run:0", compared))
    until(page.locator(".toasts").inner_text, lambda text: "is not there any more" in text)
    until(lambda: address(page), lambda url: "beside" not in url)
    page.goto(re.sub("run:[0-9a-f]+", "recording:cartpole", compared))
    until(lambda: places(page), lambda seen: seen[:1] == ["update 3"] and len(seen) == 2)


def test_a_recording_stands_beside_a_run_and_a_run_beside_a_recording(look_at, page):
    dashboard = look_at(update=2, query="?panels=episodic-return,ratio-histogram,sample")
    opener_of(page).click()
    page.get_by_role("button", name="Compare with the recorded run").click()
    until(lambda: strip(page).locator(".run-state").all_inner_texts(), lambda seen: seen[-1:] == ["recorded"])
    charts = page.locator("#panel-ratio-histogram .chart")
    until(
        lambda: [chart.get_attribute("data-update") for chart in charts.all()],
        lambda seen: len(seen) == 2 and all(seen),
    )
    step = page.get_by_role("button", name="Step", exact=True)
    assert not step.is_disabled()
    run = json.loads(page.evaluate("fetch('api/runs').then(r => r.text())"))[0]["id"]
    page.goto(page.url.split("?")[0] + "?recording=cartpole")
    dashboard.at(update="0")
    opener_of(page).click()
    until(lambda: items(page).count() == 1)
    assert items(page).first.get_attribute("data-run") == run
    items(page).first.click()
    until(lambda: places(page), lambda seen: seen == ["update 0, of the past"] * 2)
    dashboard.press("Back to newest")
    until(lambda: places(page), lambda seen: seen[-1:] == ["update 2"])


BEYOND = """() => [...document.querySelectorAll("#beside *")].filter((one) => {
    const { right, width } = one.getBoundingClientRect();
    return width && one.checkVisibility() && right > innerWidth + 1;
}).map((one) => one.className || one.innerText)"""


def test_two_runs_have_room_on_stage_in_a_narrow_window(look_at, page):
    dashboard = look_at(update=2, query="?stage=ratio-histogram,clip-mask&beside=recording:cartpole")
    until(lambda: page.locator(".panel .chart[data-update], .panel .mask-cells").count() >= 4)
    for theme in ("light", "projector"):
        while page.evaluate("document.documentElement.dataset.theme") != theme:
            dashboard.key("t")
        for width, height in ((721, 1000), (820, 1180), (1280, 720)):
            page.set_viewport_size({"width": width, "height": height})
            until(lambda: page.evaluate(OVERLAPS), lambda found: not found, 10_000)
            assert page.evaluate(BEYOND) == [], (theme, width)


DRAWN = """panel => [...panel.querySelectorAll(".chart")].filter(({ data, layout, clientWidth, clientHeight }) =>
    data && Math.abs(layout.width - clientWidth) <= 1 && Math.abs(layout.height - clientHeight) <= 1).length"""
"""How many of its charts are drawn, for the size that they have."""
BESIDE_ITS_CHART = """() => [...document.querySelectorAll(".chart svg text")].filter((text) => {
    const [own, chart] = [text, text.closest(".chart")].map((one) => one.getBoundingClientRect());
    const across = own.left < chart.left - 1 || own.right > chart.right + 1;
    return own.width && (across || own.top < chart.top - 1 || own.bottom > chart.bottom + 1);
}).map((text) => `${text.closest(".panel").ariaLabel}: ${text.textContent}`)"""


def test_in_large_type_two_runs_have_room_for_their_labels_in_a_narrow_window(look_at, page):
    shown = "ratio-histogram,loss-components,surrogate,kl-and-clipping,policy"
    look_at(update=2, query=f"?theme=projector&panels={shown}&beside=recording:cartpole")
    until(lambda: page.locator(".panel[data-sides]:visible").count(), lambda count: count == 5)
    for width in (1024, 960, 820):
        page.set_viewport_size({"width": width, "height": 720})
        for panel in page.locator(".panel[data-sides]:visible").all():
            panel.scroll_into_view_if_needed()
            until(lambda panel=panel: panel.evaluate(DRAWN), lambda drawn: drawn == 2)
        until(lambda: page.evaluate(OVERLAPS), lambda found: not found, 10_000)
        assert page.evaluate(BESIDE_ITS_CHART) == [], width


GIVEN = """
const series = (steps) => ({ first: 1, length: steps.length, column: () => Float64Array.from(steps) });
const [one, other] = [series([64, 128, 192]), series([100, 200])].map((series) => ({ series }));
"""


def test_what_stands_beside_an_update(modules):
    both = "['update', 'steps'].map((align) => m.partnerOf(update, one, other, align))"
    told = f"{GIVEN} return [0, 1, 2, 3].map((update) => {both})"
    assert modules("state/beside.js", told) == [[0, 0], [1, 1], [2, 1], [3, 2]]


def test_what_one_of_two_has_not_told_is_no_difference(modules):
    told = "[{ epochs: 4, target_kl: null, clip_range: 0.2 }, { clip_range: 0.1, epochs: 4, renamed: 1 }]"
    assert modules("state/beside.js", f"return m.differing(...{told})") == ["clip_range"]


RANGES = """
let moved = 0;
const shared = m.createSharedRanges(() => moved++);
const [one, other] = [{}, {}];
const seen = [];
const [mine, theirs] = [shared.of(one, "up"), shared.of(other, "up")];
seen.push([...mine.fit(0, 1, 1)], moved, [...theirs.fit(-5, 0.5, 1)], moved, [...mine.fit(0, 1, 1)], moved);
shared.leave(other);
return [...seen, [...mine.fit(0, 1, 1)]];
"""


def test_ranges_of_two_drawings_hold_what_either_needs(modules):
    alone, before, both, after, again, settled, left = modules("draw/shared-ranges.js", RANGES)
    assert alone == left == [0, 1] and both == again
    assert both[0] <= -5 and both[1] >= 1
    assert (before, after, settled) == (0, 1, 1), "the first side is drawn once more, and no more often"


DRAWN_BESIDE = """
const { createStore, pageState, linkState, over } = await import("./state/store.js");
const { h } = await import("./ui/dom.js");
const { createSideNote } = await import("./ui/side-note.js");
const { state } = createStore(over(linkState(), pageState));
const run = (place, low, high) => ({ ...state, others: [], place, low, high });
const drawn = [];
const mount = (body, context) => ({
    needs: [],
    ready: () => true,
    draw: ({ place, low, high }) => void (drawn[place] = context.range("up").fit(low, high, 1)),
    resize() {},
    summary: () => "",
});
const panel = { name: "A panel", probes: [], extras: [], compares: "beside", mount };
const parts = () => ({ body: h("div", {}), cover: h("div", {}), text: h("p", {}), note: createSideNote() });
const grid = { around: () => ({}), observe() {}, forget() {}, save: () => h("p", {}) };
const sides = m.createSides(panel, h("section", {}), parts(), grid);
const others = [run(1, -5, 0.5), run(2, 0, 30)];
await sides.draw({ ...run(0, 0, 1), others });
return drawn.map(([low, high]) => [low, high]);
"""


def test_what_a_later_side_needs_has_those_before_it_drawn_once_more(modules):
    """In one drawing: in a run that goes on the next one would hide that this one stood on other axes."""
    first, *others = modules("grid/sides.js", DRAWN_BESIDE)
    assert others == [first, first] and first[0] <= -5 and first[1] >= 30


MEMBERS = """
const { createStore, pageState, linkState, over } = await import("./state/store.js");
const { createRecording } = await import("./source/recording.js");
const { loadRecording } = await import("./source/file.js");
const store = () => createStore(over(linkState(), pageState));
const recording = createRecording(store(), await loadRecording("cartpole"));
const live = m.createLive(store(), { client: "x", heard() {}, failed() {} });
const names = Object.keys(recording);
const refused = (order) => order.catch(({ message }) => message);
const missing = names.filter((name) => typeof live[name] !== typeof recording[name]);
return [missing, await refused(live.step()), await refused(recording.order("set"))];
"""


def test_a_live_run_and_a_recording_answer_one_interface_and_say_why_not(modules):
    missing, live, recorded = modules("source/live.js", MEMBERS)
    assert missing == []
    assert live == "Connecting to the server." and recorded.startswith("This run was recorded")


NUMBERED = """
const { SvgCanvas } = await import("./draw/svg-canvas.js");
const { arrange } = await import("./panels/mask/layout.js");
const canvas = { width: 800, height: 400, ratio: 1, density: 1 };
const [rows, columns, longer] = [2, 48, 128];
const header = { arrays: { region: { shape: [rows, columns] } }, settings: {} };
const snapshot = { header, arrays: { region: new Uint8Array(rows * columns).fill(1) } };
const theme = new Proxy({}, { get: () => "#123456" });
const painted = new SvgCanvas(canvas, "#ffffff");
const texts = [];
painted.pen.fillText = (text) => texts.push(text);
m.paintMask(painted, arrange(canvas, rows, columns, rows, [{ rows, columns: longer }]), snapshot, theme, null, null);
return texts.filter((text) => Number(text) > rows).map(Number);
"""


def test_the_axis_of_a_short_rollout_beside_a_long_one_ends_with_its_samples(modules):
    numbers = modules("panels/mask/paint.js", NUMBERED)
    assert numbers and max(numbers) < 48


CELLS = """
const canvas = { width: 800, height: 400, ratio: 1 };
const [one, other] = [{ rows: 4, columns: 64 }, { rows: 8, columns: 32 }];
const size = (own, ...beside) => {
  const { cellWidth, cellHeight } = m.arrange(canvas, own.rows, own.columns, own.rows, beside);
  return [cellWidth, cellHeight];
};
return [size(one, other), size(other, one), size(other)];
"""


def test_cells_of_two_masks_side_by_side_have_one_size(modules):
    one, other, alone = modules("panels/mask/layout.js", CELLS)
    assert one == other != alone
