"""Whether labels lie on each other, or are cut: measured on the page."""

OVERLAPS = """() => {
    const found = [];
    for (const panel of document.querySelectorAll("section.panel:not([hidden])")) {
        const name = panel.ariaLabel;
        const frame = panel.getBoundingClientRect();
        const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
        const plotted = [...panel.querySelectorAll(".chart svg text")]
            .filter((text) => !text.closest(".hoverlayer, .modebar"))
            .flatMap((text) => (text.querySelector("tspan.line") ? [...text.querySelectorAll("tspan.line")] : [text]));
        const words = ".readout div, .caption, .panel-key > span, .sides p, .choice, .cosines td, .cosines tbody th";
        const written = [...panel.querySelectorAll(words)];
        const labels = [...plotted, ...written.filter((element) => !element.closest(".visually-hidden"))]
            .filter((element) => element.textContent.trim() && seen(element.closest("text") ?? element))
            .map((element) => {
                const box = boxOf(element);
                return { element, text: element.textContent.trim(), ...box };
            })
            .filter(({ width, height }) => width > 0 && height > 0);
        for (const label of labels) {
            const { element, left, right, top, bottom } = label;
            // What a drawing has no room for is not painted, though its panel goes on a little.
            const within = element instanceof SVGElement ? outermost(element).getBoundingClientRect() : frame;
            const beside = left < within.left - 1 || right > within.right + 1;
            const beyond = top < within.top - 1 || bottom > within.bottom + 1;
            const clipped = element instanceof HTMLElement && getComputedStyle(element).overflowX !== "visible";
            const wide = clipped && element.scrollWidth > element.clientWidth + 1;
            if (beside || beyond || wide) found.push(`${name}: "${label.text}" is cut`);
        }
        labels.forEach((one, at) => {
            for (const other of labels.slice(at + 1)) {
                if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
                const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
                const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
                if (across > 1 && down > 1) found.push(`${name}: "${one.text}" lies on "${other.text}"`);
            }
        });
    }
    return found;

    function outermost(element) {
        const svg = element.ownerSVGElement;
        return svg?.ownerSVGElement ? outermost(svg) : svg;
    }

    // Of a text the letters, not the line that they stand in: that has room above and below.
    function boxOf(element) {
        const range = document.createRange();
        range.selectNodeContents(element);
        const { left, right, top, bottom } = range.getBoundingClientRect();
        const upright = bottom - top > right - left && element.textContent.length > 2 && element instanceof SVGElement;
        const spare = 0.15 * (upright ? right - left : Math.min(bottom - top, 18));
        const [x, y] = upright ? [spare, 0] : [0, spare];
        const [width, height] = [right - left, bottom - top];
        return { left: left + x, right: right - x, top: top + y, bottom: bottom - y, width, height };
    }
}"""
"""In a page: a line for every pair of labels of a panel that lie on each other, and for every label that is cut."""
