//! Reports: one HTML file each, without scripts, fonts or addresses.

use std::fmt::Write;

use typecase_convert::Report;

use crate::commands::bench::Run;
use crate::format::{percent, thousands};

mod evaluation;
mod plot;

pub(crate) use evaluation::evaluation;

/// The beginning of a page.
fn head(title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<style>\n\
         body{{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em;color:#222}}\n\
         table{{border-collapse:collapse;margin:1em 0}}td,th{{padding:.25em .75em;border:1px solid #ccc;text-align:right}}\n\
         th:first-child,td:first-child{{text-align:left}}.big{{font-size:2em}}code{{font-size:.85em;word-break:break-all}}\n\
         </style>\n"
    )
}

/// What `typecase convert` gained and lost.
pub(crate) fn conversion(report: &Report) -> String {
    let mut page = head("Typecase conversion");
    let _ = write!(
        page,
        "<h1>{}</h1>\n<p class=big>{} bytes</p>\n<table>\n\
         <tr><th><th>checkpoint<th>case</tr>\n<tr><td>features<td>{}<td>{}</tr>\n<tr><td>bits a weight<td>32<td>{}</tr>\n",
        escape(&report.name),
        thousands(report.bytes),
        thousands(report.features_before),
        thousands(report.features),
        report.weight_bits
    );
    if report.items > 0 {
        let _ = write!(
            page,
            "<tr><td>accuracy<td>{}<td>{}</tr>\n</table>\n<p>On {} held-out texts; {:.2} points lost; only the checkpoint right {}, only the case right {}, McNemar p = {:.3}. Temperature {:.4}.</p>\n",
            percent(report.parent.accuracy),
            percent(report.case.accuracy),
            thousands(report.items),
            report.drop,
            report.paired.b,
            report.paired.c,
            report.paired.mcnemar_p,
            report.temperature
        );
        if report.abstain.below > 0.0 {
            let _ = writeln!(
                page,
                "<p>Verdicts below {:.4} abstain: {} of these texts are answered, {} of the answers are right.</p>",
                report.abstain.below,
                percent(report.abstain.coverage),
                percent(report.abstain.accuracy)
            );
        }
    } else {
        page += "</table>\n<p>No labelled texts: the loss was not measured.</p>\n";
    }
    page + "</html>\n"
}

/// What `typecase bench` measured.
pub(crate) fn bench(run: &Run) -> String {
    let mut page = head("Typecase bench");
    let _ = write!(
        page,
        "<h1>{}</h1>\n<p><code>{}</code>, commit {}</p>\n\
         <table><tr><th>engine<th>case<th>length<th>p50, µs<th>p90, µs<th>p99, µs<th>least, µs<th>ratio<th>open, µs<th>first answer, µs<th>memory, KiB</tr>\n",
        escape(&run.machine),
        escape(&run.command),
        escape(&run.commit)
    );
    let first = run.rows.first().map_or("", |row| row.engine.as_str());
    for row in &run.rows {
        let ratio = row.ratio_vs.get(first).map_or_else(String::new, |faster| format!("{:.2}", 1.0 / faster));
        let _ = writeln!(
            page,
            "<tr><td>{} <small>{}</small><td>{}<td>{}<td>{:.2}<td>{:.2}<td>{:.2}<td>{:.2}<td>{ratio}<td>{:.0}<td>{:.0}<td>{}</tr>",
            escape(&row.engine),
            escape(&row.version),
            escape(&row.case),
            if row.length == 0 { "data".to_owned() } else { row.length.to_string() },
            row.p50_us,
            row.p90_us,
            row.p99_us,
            row.min_us,
            row.open_us,
            row.first_answer_us,
            row.peak_rss_kib.map_or_else(String::new, thousands)
        );
    }
    page += "</table>\n<p>The ratio is how many times as long as the first engine it takes.</p>\n";
    for profile in &run.profile {
        let matrices =
            profile.matrices_gmacs.map_or_else(String::new, |gmacs| format!(": matrices {gmacs:.1} GMAC/s"));
        let _ = writeln!(
            page,
            "<h2>Where the time goes, length {}{matrices}</h2>\n<table><tr><th>operator<th>ms<th>share<th>GMAC/s</tr>",
            profile.length
        );
        for part in &profile.parts {
            let gmacs = part.gmacs.map_or_else(String::new, |gmacs| format!("{gmacs:.1}"));
            let (name, share) = (escape(&part.operator), part.share * 100.0);
            let _ = writeln!(page, "<tr><td>{name}<td>{:.4}<td>{share:.1} %<td>{gmacs}</tr>", part.ms);
        }
        page += "</table>\n";
    }
    for held in &run.floor {
        let _ = writeln!(
            page,
            "<h2>Matrices beside plain products, length {}</h2>\n<p>{}: {:.0} GMAC/s on registers alone. \
             The share is that of the median layer, then the lowest of any.</p>\n\
             <table><tr><th>matrix<th>{}, GMAC/s<th>plain, GMAC/s<th>share<th>lowest</tr>",
            held.length,
            escape(&held.instruction),
            held.registers_gmacs,
            escape(&held.kernels)
        );
        for (name, ours, plain, share, least) in held.lines() {
            let (share, least) = (share * 100.0, least * 100.0);
            let _ = writeln!(
                page,
                "<tr><td>{name}<td>{ours:.1}<td>{plain:.1}<td>{share:.0} %<td>{least:.0} %</tr>"
            );
        }
        page += "</table>\n";
    }
    page + "</html>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
