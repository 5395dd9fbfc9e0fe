/**
 * The page's colours by name, light or dark by the reader's setting. Readers who lack one kind of cones can tell the first four colours of series
 * apart, in light and in dark.
 */
export const colours = `
:root {
  color-scheme: light dark;
  --paper: #fdfdfb; --ink: #1d2126; --faint: #5b636d; --line: #d9dcdf; --panel: #ffffff;
  --before: #8a929b;
  --series-1: #0b6fa4; --series-2: #c8501f; --series-3: #3fa66b; --series-4: #4a1546;
  --series-5: #a67c00; --series-6: #b8336a; --series-7: #3f7f8c; --series-8: #6b6f3a;
  --size: #1b1f6b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --ink: #e6e8ea; --faint: #a0a8b1; --line: #343a41; --panel: #1a1e22;
    --before: #8f99a4;
    --series-1: #5bb8ea; --series-2: #f08d5c; --series-3: #a8e6b8; --series-4: #a066f0;
    --series-5: #e3bb4a; --series-6: #ee82ae; --series-7: #7ec8d6; --series-8: #bfc47a;
    --size: #c9ccff;
  }
}
`

/** The page's style sheet, for light, dark and print. It fetches nothing. */
export const pageStyle = `${colours}* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 74rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif;
}
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .75rem; }
p, li { max-width: 46rem; }
details { margin: 1.25rem 0; }
summary { cursor: pointer; color: var(--faint); font-size: .9rem; margin-bottom: .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: 0; font-size: .9rem; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
.findings { padding-left: 1.1rem; }
.findings li { margin: .35rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1.25rem; }
figure { margin: 0; padding: 1rem 1.1rem 1.1rem; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; color: var(--ink); --plot-background: var(--panel); }
figcaption { margin-top: .6rem; font-size: .86rem; line-height: 1.45; color: var(--faint); }
figcaption b { color: var(--ink); }
.key { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .4rem 0 0; padding: 0; list-style: none; font-size: .82rem; }
.swatch { display: inline-block; width: 1.1em; height: .5em; margin-right: .4em; border-radius: 2px; background: var(--colour); vertical-align: .1em; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.swatch.control { background: repeating-linear-gradient(90deg, var(--colour) 0 4px, transparent 4px 7px); }
figure.table { margin: 1rem 0 2rem; padding: 0; background: none; border: 0; }
figure.table figcaption { max-width: 60rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; white-space: nowrap; border-bottom: 1px solid var(--line); }
.number { text-align: right; }
.words { text-align: left; }
td.words { max-width: 24rem; white-space: normal; }
th:first-child, td:first-child { padding-left: 0; }
thead th { border-bottom: 1px solid var(--ink); font-weight: 600; vertical-align: bottom; white-space: normal; }
tbody th { font-weight: 600; }
footer { margin-top: 3rem; font-size: .84rem; color: var(--faint); }
@media (max-width: 32rem) {
  body { padding: 1.25rem .75rem 2.5rem; }
  h1 { font-size: 1.4rem; }
  figure { padding: .6rem .6rem .75rem; }
  .figures { gap: .9rem; }
  dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .4rem; }
}
@media print {
  :root { --paper: #fff; --panel: #fff; --ink: #000; --faint: #444; --line: #bbb; }
  @page { size: A4 landscape; margin: 12mm; }
  body { padding: 0; max-width: none; font-size: 9pt; line-height: 1.4; }
  h2 { break-after: avoid; margin: 1.4rem 0 .5rem; }
  p, li, figure.table figcaption { max-width: 64rem; }
  figure, tr { break-inside: avoid; }
  figure { padding: .5rem .6rem .6rem; }
  figure.table { margin-bottom: 1rem; }
  figcaption, .key, dl, footer { font-size: 7.5pt; }
  .figures { grid-template-columns: repeat(3, 1fr); gap: .6rem; }
  .scroll { overflow: visible; }
  details { margin: .75rem 0; }
  summary { list-style: none; }
  details::details-content { content-visibility: visible; }
  dl { grid-template-columns: repeat(3, max-content 1fr); }
  table { font-size: 7pt; }
  th, td { padding: .2rem .35rem; }
  td, tbody th { white-space: normal; }
  footer { margin-top: 1rem; }
}
`
