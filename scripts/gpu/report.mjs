/** Writes the results as a page of Markdown. */
export function markdown({ machine, checks, rows, notRun, seconds }) {
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`)
  return [
    `# The package on ${machine.device === 'cpu' ? 'a CPU (a rehearsal)' : machine.gpu}`,
    `${facts.join(' · ')} · ${seconds.toFixed(0)} s in all`,
    '## Right',
    'Each check compares the device with the CPU. The error is the largest difference, relative to the largest expected number.',
    table(
      ['check', 'comparisons', 'largest error', 's', 'result'],
      checks.map(({ name, comparisons, figures, failures, seconds, leftOut }) => [
        name,
        comparisons,
        significant(largestError(figures)),
        seconds.toFixed(1),
        leftOut
          ? `left out: ${leftOut}`
          : failures.length === 0
            ? 'as expected'
            : `**${failures.length} not as expected**`,
      ]),
    ),
    ...checks.flatMap(({ name, failures }) =>
      failures.map(
        ({ what, given, expected, note }) =>
          `- **${name}**: ${what}: expected \`${expected}\` but received \`${given}\`${note ? ` (${note})` : ''}`,
      ),
    ),
    '## Fast',
    'The reference is PyTorch in Python on the same device, in turns with ours. A ratio above 1 means that ours is faster.',
    rows.length === 0
      ? 'Nothing was measured.'
      : table(
          ['row', 'unit', 'PyTorch', 'ours', 'ratio', 'quartiles'],
          rows.map((row) =>
            row.error === undefined
              ? [
                  row.case,
                  row.unit,
                  significant(row.reference),
                  significant(row.ours),
                  row.ratio.toFixed(2),
                  row.ratioQuartiles.map((ratio) => ratio.toFixed(2)).join(' – '),
                ]
              : [row.case, row.unit, '', '', '**failed**', row.error.split('\n')[0].slice(0, 200)],
          ),
        ),
    ...(notRun.length === 0 ? [] : ['## Not run', ...notRun.map((what) => `- ${what}`)]),
    '',
  ].join('\n\n')
}

const largestError = (figures) =>
  Math.max(
    ...Object.entries(figures).flatMap(([name, value]) => (name.startsWith('error of') ? [value] : [])),
  )

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function significant(value) {
  if (!Number.isFinite(value)) return '–'
  return value === 0
    ? '0'
    : Math.abs(value) < 1e-3
      ? value.toExponential(1)
      : String(Number(value.toPrecision(3)))
}
