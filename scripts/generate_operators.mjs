// Writes the TypeScript types of every operator, from the schemas of the libtorch that the addon is linked with. In
// src/torch/operators it writes operators.generated.ts for torch.NAME and the methods of tensors, and operator-packets.generated.ts
// for torch.ops.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const scalars = {
  Tensor: 'Tensor',
  Scalar: 'Scalar',
  int: 'number | bigint',
  SymInt: 'number | bigint',
  float: 'number',
  SymFloat: 'number',
  bool: 'boolean',
  SymBool: 'boolean',
  str: 'string',
  complex: 'Scalar',
  ScalarType: 'DType',
  Layout: 'Layout',
  MemoryFormat: 'MemoryFormat',
  Device: 'Device',
  Generator: 'Generator',
}
const results = { ...scalars, int: 'number', SymInt: 'number' }

// The functions whose operands may be numbers, as in Python: `torch.mul(2.5, 3)`.
const takesNumbers = new Set('add sub subtract mul multiply div divide true_divide floor_divide'.split(' '))

/** Splits at the commas that are outside of brackets and strings. */
export function splitTopLevel(text) {
  const parts = []
  let depth = 0
  let quote = ''
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (quote) {
      if (c === '\\') i++
      else if (c === quote) quote = ''
    } else if (c === '"' || c === "'") quote = c
    else if ('([{'.includes(c)) depth++
    else if (')]}'.includes(c)) depth--
    else if (c === ',' && depth === 0) {
      parts.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  const last = text.slice(start).trim()
  if (last) parts.push(last)
  return parts
}

/** The TypeScript type for a type of a schema, such as `Tensor(a!)[]?` or `int[2]`. `names` maps the plain types. */
export function typescriptType(type, names) {
  if (type.endsWith('?')) return `${typescriptType(type.slice(0, -1), names)} | null`
  const parts = type.match(/^(Dict)?\((.*)\)$/)
  if (parts) {
    const inner = splitTopLevel(parts[2]).map((part) => typescriptType(part, names))
    return parts[1] ? `Map<${inner.join(', ')}>` : `[${inner.join(', ')}]`
  }
  const list = type.match(/^(.*)\[(\d*)\](?:\([^()]*\))?$/)
  const plain = type.replace(/\([^()]*\)$/, '')
  if (!list) return names[plain] ?? (plain.startsWith('__torch__.') ? 'NativeObject' : 'unknown')
  const element = typescriptType(list[1], names)
  if (names === results) return `${element.includes(' ') ? `(${element})` : element}[]`
  return list[2] ? `readonly (${element})[] | ${element}` : `readonly (${element})[]`
}

/**
 * The parts of a schema such as `aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor`. `...` (any number of
 * values of any kind) is not a parameter; as a result it is `unknown`.
 */
export function parseSchema(schema) {
  const open = schema.indexOf('(')
  const arrow = schema.lastIndexOf(') -> ')
  const [namespace, full] = schema.slice(0, open).split('::')
  const [name, overload = ''] = full.split('.')
  let keywordOnly = false
  const parameters = []
  for (const part of splitTopLevel(schema.slice(open + 1, arrow))) {
    if (part === '*') {
      keywordOnly = true
      continue
    }
    if (part === '...') continue
    const [, type, argument, value] = part.match(/^(.+?)\s+([A-Za-z_]\w*)(?:=(.*))?$/)
    // One schema of libtorch has two parameters with the same name.
    const repeated = parameters.some(({ name }) => name === argument)
    parameters.push({
      type,
      name: repeated ? `${argument}_2` : argument,
      optional: value !== undefined,
      keywordOnly,
    })
  }
  const returned = schema.slice(arrow + 5).trim()
  const isTuple = returned.startsWith('(')
  const returns = (isTuple ? splitTopLevel(returned.slice(1, -1)) : [returned]).map(
    (part) => part.split(/\s+(?=\w+$)/)[0],
  )
  return { namespace, name, overload, parameters, returns, schema }
}

function resultType(returns) {
  if (returns.length === 0) return 'void'
  const types = returns.map((type) => typescriptType(type, results))
  return types.length === 1 ? types[0] : `[${types.join(', ')}]`
}

// Words that cannot be the name of a parameter.
const reserved = new Set(['in', 'function', 'default', 'with', 'new', 'this', 'var', 'class', 'enum'])
const parameterName = (name) => (reserved.has(name) ? `${name}_` : name)

function positionalText(parameters, optional, names) {
  return parameters.map(
    ({ name, type }) => `${parameterName(name)}${optional ? '?' : ''}: ${typescriptType(type, names)}`,
  )
}

function optionsText(parameters) {
  if (parameters.length === 0) return []
  const required = parameters.some((parameter) => !parameter.optional)
  const fields = parameters.map(
    ({ name, type, optional }) => `${name}${optional ? '?' : ''}: ${typescriptType(type, scalars)}`,
  )
  return [`options${required ? '' : '?'}: { ${fields.join('; ')} }`]
}

/** The call signatures of one overload: optional arguments by position, or all of them in the options object. */
export function signatures(operator, { method = false, promise = false } = {}) {
  const parameters = method ? operator.parameters.slice(1) : operator.parameters
  const positional = parameters.filter((parameter) => !parameter.keywordOnly)
  const keyword = parameters.filter((parameter) => parameter.keywordOnly)
  const required = positional.filter((parameter) => !parameter.optional)
  const optional = positional.filter((parameter) => parameter.optional)
  const result = promise ? `Promise<${resultType(operator.returns)}>` : resultType(operator.returns)
  const names =
    takesNumbers.has(operator.name) && !method ? { ...scalars, Tensor: 'Tensor | Scalar' } : scalars
  const requiredKeyword = keyword.some((parameter) => !parameter.optional)
  const byPosition = [
    ...positionalText(required, false, names),
    ...positionalText(optional, !requiredKeyword, names),
    ...optionsText(keyword),
  ]
  const texts = [`(${byPosition.join(', ')}): ${result}`]
  if (optional.length > 0) {
    texts.push(
      `(${[...positionalText(required, false, names), ...optionsText([...optional, ...keyword])].join(', ')}): ${result}`,
    )
  }
  // For calls such as Python's `x.sum(dim=1)`: all arguments after the tensors may be in the options object.
  const leading = required.findIndex(({ type }) => !type.startsWith('Tensor'))
  if (leading !== -1) {
    const named = [...required.slice(leading), ...optional, ...keyword]
    texts.push(
      `(${[...positionalText(required.slice(0, leading), false, names), ...optionsText(named)].join(', ')}): ${result}`,
    )
  }
  return texts
}

function interfaceText(name, doc, operators, options) {
  const lines = [`/** ${doc} */`, `export interface ${name} {`]
  for (const operator of operators) {
    lines.push(`  /** \`${operator.schema.replaceAll('*/', '* /')}\` */`)
    for (const signature of signatures(operator, options)) lines.push(`  ${operator.name}${signature}`)
  }
  lines.push('}', '')
  return lines
}

/** Overloads that write to `out` come last: TypeScript takes the first that fits. */
const parseAll = (schemas) =>
  schemas
    .map(parseSchema)
    .sort(
      (a, b) => a.name.localeCompare(b.name) || isOut(a) - isOut(b) || a.overload.localeCompare(b.overload),
    )

/** The text of a file of types, with the imports that it needs. */
function file(torchVersion, lines) {
  const text = lines.join('\n')
  const imports = Object.entries({
    '../tensor/dtype': ['Device', 'DType', 'Layout', 'MemoryFormat', 'Scalar'],
    '../device/generator': ['Generator'],
    './operators.generated': ['Operators'],
    './values': ['NativeObject'],
    '../tensor/tensor': ['Tensor'],
  }).flatMap(([from, names]) => {
    const used = names.filter((name) =>
      new RegExp(`[:[ (]${name}\\b`).test(text.replace(/interface \w+/g, '')),
    )
    return used.length === 0 ? [] : [`import type { ${used.join(', ')} } from '${from}.js'`]
  })
  const header = `// Generated by scripts/generate_operators.mjs from the schemas of libtorch ${torchVersion}. Not for editing.`
  return [header, ...imports, '', text].join('\n')
}

export function generate(schemas, torchVersion) {
  const operators = parseAll(schemas.filter((schema) => schema.startsWith('aten::')))
  const methods = operators.filter(
    ({ name, parameters }) =>
      parameters[0]?.name === 'self' && /^Tensor(\(|$)/.test(parameters[0].type) && !ownMembers.has(name),
  )
  return file(torchVersion, [
    ...interfaceText('Operators', 'Every ATen operator as a function.', operators, {}),
    ...interfaceText('AsyncOperators', 'Every ATen operator, run off the event loop.', operators, {
      promise: true,
    }),
    ...interfaceText('TensorMethods', 'The operators whose first argument is the tensor itself.', methods, {
      method: true,
    }),
  ])
}

/** The types of torch.ops: a packet is called with any overload's arguments and has a member for each overload. */
export function generatePackets(schemas, torchVersion) {
  const namespaces = new Map()
  for (const operator of parseAll(schemas)) {
    const packets = namespaces.get(operator.namespace) ?? new Map()
    namespaces.set(operator.namespace, packets)
    packets.set(operator.name, [...(packets.get(operator.name) ?? []), operator])
  }
  const sorted = [...namespaces].sort(([a], [b]) => a.localeCompare(b))
  return file(torchVersion, [
    '/** The operators of all namespaces, and each of their overloads. */',
    'export interface OperatorNamespaces {',
    ...sorted.map(([namespace]) => `  readonly ${namespace}: ${packetsName(namespace)}`),
    '}',
    '',
    ...sorted.flatMap(([namespace, packets]) => [
      `export interface ${packetsName(namespace)} {`,
      ...[...packets].flatMap(([name, overloads]) => packetText(namespace, name, overloads)),
      '}',
      '',
    ]),
  ])
}

/** `mkldnn_prepacked` → `MkldnnPrepackedPackets`; `_quantized`, beside `quantized`, → `_QuantizedPackets` */
const packetsName = (namespace) =>
  `${namespace
    .split('_')
    .map((part) => (part === '' ? '_' : part[0].toUpperCase() + part.slice(1)))
    .join('')}Packets`

function packetText(namespace, name, overloads) {
  // The operators of ATen have types already, as functions.
  const own = namespace === 'aten' ? [] : overloads.flatMap((overload) => signatures(overload))
  const members = overloads.map((overload) => {
    const doc = `/** \`${overload.schema.replaceAll('*/', '* /')}\` */`
    return `    ${doc}\n    readonly ${overload.overload || 'default'}: { ${signatures(overload).join('; ')} }`
  })
  const shared = namespace === 'aten' ? `Operators['${name}'] & ` : ''
  return [`  readonly ${name}: ${shared}{`, ...own.map((signature) => `    ${signature}`), ...members, '  }']
}

const isOut = ({ parameters }) =>
  Number(parameters.some(({ keywordOnly, optional }) => keywordOnly && !optional))

// Members that the class Tensor defines itself.
const ownMembers = new Set(['item', 'size', 'stride', 'to'])

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const binding = createRequire(import.meta.url)(`${root}/build/native/Release/sos_native.node`)
  const write = (name, make) => {
    const target = `${root}/src/torch/operators/${name}.generated.ts`
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(`${target}.tmp`, make(binding.operatorSchemas(), binding.runtimeInfo().torchVersion))
    renameSync(`${target}.tmp`, target)
  }
  write('operators', generate)
  write('operator-packets', generatePackets)
}
