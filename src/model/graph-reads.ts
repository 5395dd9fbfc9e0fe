/** What a method's graph does with the tensors of its module. */
export interface GraphReads {
  /** How often operators read each tensor, by its dotted path, on the way through the graph that reads it most. */
  readonly counts: ReadonlyMap<string, number>
  /** Why the counts, or the operators themselves, do not tell all; null where they do. */
  readonly hidden: string | null
}

interface Line {
  readonly indent: number
  readonly text: string
}

const getAttribute = /^%(\S+) : (\S+) = prim::GetAttr\[name="([^"]*)"\]\(%([^\s)]+)\)/

/**
 * Counts reads in the text of an inlined graph, as `model.graph('forward', { inlined: true })`. Of the branches of a condition
 * one is taken. Tensors that are made in a loop are hidden, for they may be what the next round begins with; so are calls
 * that are not inlined, and tensors of the module that pass through a condition, a list or a tuple before they are read.
 *
 * @param flat of an operator, as `aten::size`: whether its result does not depend on the values of its tensors
 */
export function graphReads(graph: string, flat: (operator: string) => boolean): GraphReads {
  const lines = graph.split('\n').flatMap((line) => {
    const text = line.replace(/ # .*$/, '').trim()
    return text === '' ? [] : [{ indent: line.search(/\S/), text }]
  })
  const { paths, unknown } = attributes(lines)
  const counts = countsOf(lines, ({ text }) => {
    const operator = /(?:^|= )(aten::\w+)\(/.exec(text)?.[1]
    return operator === undefined || flat(operator) ? [] : attributesIn(text, paths)
  })
  const opaque = lines.find(({ text }) => /prim::(CallMethod|CallFunction|PythonOp|fork)|= \^/.test(text))
  if (opaque !== undefined) return { counts, hidden: `a call that is not inlined: ${opaque.text}` }
  if (loopsOver(lines)) return { counts, hidden: 'tensors in a loop' }
  const chosen = lines.some(
    ({ text }) => !/aten::|prim::GetAttr/.test(text) && attributesIn(text, paths).length > 0,
  )
  return { counts, hidden: unknown || chosen ? 'a weight that is chosen at run time' : null }
}

/** The paths of the values that are tensors of the module; `unknown` where there is one of an object that has no path. */
function attributes(lines: readonly Line[]): { paths: Map<string, string>; unknown: boolean } {
  const self = /%([^\s:]+)/.exec(lines[0]?.text ?? '')?.[1] ?? ''
  const owners = new Map([[self, '']])
  const paths = new Map<string, string>()
  let unknown = false
  for (const { text } of lines) {
    const [, value, type, name, of] = getAttribute.exec(text) ?? []
    if (value === undefined) continue
    const owner = owners.get(of!)
    const path = owner === undefined ? undefined : owner === '' ? name! : `${owner}.${name}`
    if (path !== undefined) (/^Tensor/.test(type!) ? paths : owners).set(value, path)
    else unknown ||= /^Tensor/.test(type!)
  }
  return { paths, unknown }
}

function countsOf(lines: readonly Line[], reads: (line: Line) => string[]): Map<string, number> {
  const total = new Map<string, number>()
  const add = (more: ReadonlyMap<string, number>) => {
    for (const [path, count] of more) total.set(path, (total.get(path) ?? 0) + count)
  }
  let branches = new Map<string, number>()
  for (let i = 0; i < lines.length; i++) {
    const { indent, text } = lines[i]!
    if (/^block\d+\(/.test(text)) {
      let end = i + 1
      while (end < lines.length && lines[end]!.indent > indent) end++
      const block = countsOf(lines.slice(i + 1, end), reads)
      for (const [path, count] of block) branches.set(path, Math.max(count, branches.get(path) ?? 0))
      i = end - 1
    } else {
      add(branches)
      branches = new Map()
      for (const path of reads(lines[i]!)) add(new Map([[path, 1]]))
    }
  }
  add(branches)
  return total
}

function loopsOver(lines: readonly Line[]): boolean {
  let loop = Number.POSITIVE_INFINITY
  return lines.some(({ indent, text }) => {
    if (indent <= loop) loop = text.includes('= prim::Loop(') ? indent : Number.POSITIVE_INFINITY
    return indent > loop && makesTensor(text)
  })
}

/** Whether an operator's line has a tensor among its results, as `%x : Tensor, %n : int = aten::…`. */
function makesTensor(text: string): boolean {
  const operator = text.indexOf(' = aten::')
  if (operator < 0) return false
  const results = text.slice(text.lastIndexOf('=', operator - 1) + 1, operator)
  return results.includes(': ') && results.slice(results.indexOf(': ')).includes('Tensor')
}

/** Of what stands to the right of the equals sign. */
function attributesIn(text: string, paths: ReadonlyMap<string, string>): string[] {
  const values = text.slice(text.indexOf('=') + 1).match(/%[\w.]+/g) ?? []
  return values.flatMap((value) => paths.get(value.slice(1)) ?? [])
}
