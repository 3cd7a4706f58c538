//! Drawings for reports: SVG within the page, without scripts, fonts or addresses.

use std::fmt::Write;

use super::escape;

/// Of the first series, the second, and what is drawn to compare with.
pub(super) const COLOURS: [&str; 3] = ["#1f6fb4", "#c8551b", "#999"];

/// The whole drawing.
const SIZE: [f64; 2] = [460.0, 300.0];
/// What is left free for the axes: left, top, right, bottom.
const MARGINS: [f64; 4] = [56.0, 10.0, 14.0, 44.0];
/// A row of a chart of bars.
const ROW: f64 = 22.0;
/// Points of a line; of longer ones every second, third ... is drawn.
const MOST_POINTS: usize = 400;

/// A drawing with two axes.
pub(super) struct Plot {
    x: [f64; 2],
    y: [f64; 2],
    svg: String,
}

impl Plot {
    /// Axes with their names; `what` is for those who do not see it.
    pub(super) fn new(what: &str, x: [f64; 2], y: [f64; 2], names: [&str; 2]) -> Self {
        let mut plot = Self { x: wide(x), y: wide(y), svg: open(what, SIZE) };
        plot.grid();
        let [left, top, right, bottom] = MARGINS;
        let middle = [(left + SIZE[0] - right) / 2.0, (top + SIZE[1] - bottom) / 2.0];
        let _ = writeln!(
            plot.svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            middle[0],
            SIZE[1] - 8.0,
            escape(names[0]),
            middle[1],
            escape(names[1])
        );
        plot
    }

    fn grid(&mut self) {
        let ends = [self.place(self.x[0], self.y[0]), self.place(self.x[1], self.y[1])];
        let [[left, bottom], [right, top]] = ends;
        for value in ticks(self.x) {
            let [x, _] = self.place(value, self.y[0]);
            self.rule([x, bottom], [x, top]);
            let _ = writeln!(
                self.svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 16.0,
                short(value)
            );
        }
        for value in ticks(self.y) {
            let [_, y] = self.place(self.x[0], value);
            self.rule([left, y], [right, y]);
            let _ = writeln!(
                self.svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 5.0,
                y + 4.0,
                short(value)
            );
        }
    }

    fn rule(&mut self, from: [f64; 2], to: [f64; 2]) {
        let ([a, b], [c, d]) = (from, to);
        let _ = writeln!(
            self.svg,
            "<line x1=\"{a:.1}\" y1=\"{b:.1}\" x2=\"{c:.1}\" y2=\"{d:.1}\" stroke=\"#ddd\"/>"
        );
    }

    /// Where a point is drawn.
    fn place(&self, x: f64, y: f64) -> [f64; 2] {
        let [left, top, right, bottom] = MARGINS;
        let share = |value: f64, [low, high]: [f64; 2]| (value - low) / (high - low);
        [
            left + share(x, self.x) * (SIZE[0] - left - right),
            SIZE[1] - bottom - share(y, self.y) * (SIZE[1] - top - bottom),
        ]
    }

    pub(super) fn line(&mut self, points: &[[f64; 2]], colour: &str, dashed: bool) {
        let step = points.len().div_ceil(MOST_POINTS).max(1);
        // The last point always counts.
        let drawn = points.iter().rev().step_by(step).rev();
        let mut places = String::new();
        for [x, y] in drawn.map(|&[x, y]| self.place(x, y)) {
            let _ = write!(places, "{x:.1},{y:.1} ");
        }
        let dashes = if dashed { " stroke-dasharray=\"4 4\"" } else { "" };
        let _ = writeln!(
            self.svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
            places.trim_end()
        );
    }

    /// A column from the bottom to `top`; `what` shows where one points at it.
    pub(super) fn column(&mut self, [from, to]: [f64; 2], top: f64, colour: &str, what: &str) {
        let ([left, bottom], [right, high]) = (self.place(from, self.y[0]), self.place(to, top));
        let _ = writeln!(
            self.svg,
            "<rect x=\"{left:.1}\" y=\"{high:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\" \
             fill-opacity=\".45\" stroke=\"{colour}\"><title>{}</title></rect>",
            right - left,
            (bottom - high).max(0.0),
            escape(what)
        );
    }

    pub(super) fn dot(&mut self, [x, y]: [f64; 2], colour: &str, what: &str) {
        let [x, y] = self.place(x, y);
        let _ = writeln!(
            self.svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"><title>{}</title></circle>",
            escape(what)
        );
    }

    /// Names of what is drawn, at the top right.
    pub(super) fn legend(&mut self, entries: &[(&str, &str)]) {
        let (x, mut y) = (SIZE[0] - MARGINS[2] - 8.0, MARGINS[1] + 14.0);
        for (name, colour) in entries {
            let _ = writeln!(
                self.svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
                escape(name)
            );
            y += 16.0;
        }
    }

    pub(super) fn finish(self) -> String {
        self.svg + "</svg>\n"
    }
}

/// One bar of a chart: a share, its interval, and what stands beside it.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) share: f64,
    pub(super) interval: [f64; 2],
    pub(super) beside: String,
}

/// Bars of shares, one below the other.
pub(super) fn bars(what: &str, rows: &[Bar]) -> String {
    let (left, width) = (150.0, 190.0);
    let size = [520.0, ROW * rows.len() as f64 + 6.0];
    let mut svg = open(what, size);
    for (nth, Bar { name, share, interval, beside }) in rows.iter().enumerate() {
        let y = 3.0 + ROW * nth as f64;
        let [low, high] = interval.map(|end| left + end * width);
        let middle = y + ROW / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{left}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" fill-opacity=\".45\"/>\
             <line x1=\"{low:.1}\" y1=\"{middle:.1}\" x2=\"{high:.1}\" y2=\"{middle:.1}\" stroke=\"#222\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left - 6.0,
            middle + 4.0,
            escape(name),
            y + 3.0,
            share * width,
            ROW - 6.0,
            COLOURS[0],
            left + width + 6.0,
            middle + 4.0,
            escape(beside)
        );
    }
    svg + "</svg>\n"
}

/// A table of counts as squares, the darker the larger their share of the row.
pub(super) fn squares(what: &str, names: &[&str], counts: &[Vec<u64>]) -> String {
    let (left, top, cell) = (120.0, 24.0, 64.0);
    let side = cell * names.len() as f64;
    let mut svg = open(what, [left + side + 4.0, top + side + 4.0]);
    for (column, name) in names.iter().enumerate() {
        let x = left + cell * (column as f64 + 0.5);
        let name = escape(&cut(name, 9));
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"16\" text-anchor=\"middle\">{name}</text>");
    }
    for (row, (name, counts)) in names.iter().zip(counts).enumerate() {
        let y = top + cell * row as f64;
        let middle = y + cell / 2.0 + 4.0;
        let label = escape(&cut(name, 16));
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{label}</text>",
            left - 6.0
        );
        let whole = counts.iter().sum::<u64>().max(1) as f64;
        for (column, count) in counts.iter().enumerate() {
            let x = left + cell * column as f64;
            let share = *count as f64 / whole;
            let colour = if column == row { COLOURS[0] } else { COLOURS[1] };
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{cell}\" height=\"{cell}\" fill=\"{colour}\" \
                 fill-opacity=\"{:.3}\" stroke=\"#ddd\"><title>{} found as {}: {:.2} %</title></rect>\
                 <text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"middle\">{count}</text>",
                share.sqrt() * 0.7,
                escape(name),
                escape(names[column]),
                share * 100.0,
                x + cell / 2.0
            );
        }
    }
    svg + "</svg>\n"
}

fn open(what: &str, [width, height]: [f64; 2]) -> String {
    format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" \
         aria-label=\"{}\" font-size=\"12\" fill=\"#222\">\n",
        escape(what)
    )
}

/// The beginning of a name that is too long.
fn cut(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most - 1).chain(['\u{2026}']).collect()
}

/// A range that is not empty.
fn wide([low, high]: [f64; 2]) -> [f64; 2] {
    if high > low { [low, high] } else { [low - 0.5, low + 0.5] }
}

/// Round values within a range, some four or five of them.
fn ticks([low, high]: [f64; 2]) -> Vec<f64> {
    let rough = (high - low) / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|nth| nth as f64 * step).collect()
}

/// A value without digits that say nothing.
fn short(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e7) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_range() {
        assert_eq!(ticks([0.0, 1.0]).iter().map(|t| short(*t)).collect::<Vec<_>>(), ["0", "0.5", "1"]);
        assert_eq!(
            ticks([0.0, 0.8]).iter().map(|t| short(*t)).collect::<Vec<_>>(),
            ["0", "0.2", "0.4", "0.6", "0.8"]
        );
        assert_eq!(ticks([0.0, 1000.0]), [0.0, 500.0, 1000.0]);
        assert_eq!([short(2e-5), short(1500.0), short(-0.25)], ["2.0e-5", "1500", "-0.25"]);
    }

    #[test]
    fn what_is_drawn_is_escaped_and_ends() {
        let mut plot = Plot::new("a < b", [0.0, 0.0], [0.0, 1.0], ["x & y", "\"z\""]);
        plot.line(&vec![[0.0, 0.5]; 1000], COLOURS[0], true);
        plot.dot([0.0, 1.0], COLOURS[1], "<script>");
        let svg = plot.finish();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("a &lt; b") && svg.contains("x &amp; y") && svg.contains("&lt;script&gt;"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(points.split(' ').count(), 334);
    }

    #[test]
    fn names_that_are_too_long_are_cut() {
        assert_eq!([cut("Sci/Tech", 9), cut("international", 9)], ["Sci/Tech", "internat\u{2026}"]);
    }
}
