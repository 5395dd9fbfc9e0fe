const columns = [
  ['case', (row) => row.case],
  ['unit', (row) => row.unit],
  ['reference', (row) => (isMeasured(row) ? significant(row.reference) : '')],
  ['ours', (row) => (isMeasured(row) ? significant(row.ours) : '')],
  ['ratio', (row) => row.ratio?.toFixed(2) ?? (row.leftOut === undefined ? 'failed' : 'left out')],
  ['quartiles', (row) => row.ratioQuartiles?.map((ratio) => ratio.toFixed(2)).join(' – ') ?? ''],
  [
    'target',
    (row) => (row.target === undefined ? '' : `${row.target}${row.ratio < row.target ? ' missed' : ''}`),
  ],
  [
    'also',
    (row) =>
      row.leftOut ??
      Object.entries(row.also ?? {})
        .map(([name, value]) => `${name} ${significant(value)}`)
        .join(', '),
  ],
]

/** Prints the document as a table. A ratio above 1 means that ours is faster, or within the bound. */
export function printTable({ name, machine, rows }) {
  const { cpu, cores, threads, node, torch, jpegDecoder, reference } = machine
  const jpeg = jpegDecoder ? `, JPEG by ${jpegDecoder}` : ''
  const python = reference ? `, Python ${reference.python} with PyTorch ${reference.torch}` : ''
  console.log(
    `${name} on ${cpu}, ${cores} cores, ${threads} threads; Node ${node}, libtorch ${torch}${jpeg}${python}\n`,
  )
  const used = columns.filter(([, text]) => rows.some((row) => text(row) !== ''))
  const table = [used.map(([title]) => title), ...rows.map((row) => used.map(([, text]) => text(row)))]
  const widths = used.map((_, i) => Math.max(...table.map((cells) => cells[i].length)))
  for (const cells of table)
    console.log(
      cells
        .map((cell, i) => align(cell, widths[i], i))
        .join('  ')
        .trimEnd(),
    )
}

const isMeasured = (row) => row.error === undefined && row.leftOut === undefined

const align = (cell, width, column) =>
  column >= 2 && column <= 4 ? cell.padStart(width) : cell.padEnd(width)

function significant(value) {
  return value !== 0 && Math.abs(value) < 100 ? String(Number(value.toPrecision(3))) : value.toFixed(0)
}
