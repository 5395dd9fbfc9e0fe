import { Command } from 'commander'

import { printJson, printLine } from '../print.js'

export const inspectCommand = new Command('inspect')
  .description('the modules and parameters of a TorchScript file')
  .argument('<model>', 'TorchScript file')
  .option('--json', 'print one JSON document')
  .action(async (path: string, options: { json?: boolean }) => {
    const { checkpointRecord, linearLayers, ScriptModule } = await import('../../index.js')
    const model = await ScriptModule.load(path)
    const modules = model.modules()
    const parameters = [...model.namedParameters().values()].reduce(
      (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
      0,
    )
    const last = model.kind === 'frozen' || !hasForward(model) ? null : (linearLayers(model).at(-1) ?? null)
    const record = checkpointRecord(model)
    const { kind, training } = model
    if (options.json)
      return printJson({ model: path, kind, training, parameters, lastLinear: last, record, modules })
    for (const { path: dotted, type, parameters: own } of modules) {
      const depth = dotted === '' ? 0 : dotted.split('.').length
      const name = dotted === '' ? '(root)' : dotted.split('.').at(-1)
      const shapes = own.map(({ name: parameter, shape }) => `${parameter} [${shape.join(', ')}]`).join(', ')
      printLine(`${'  '.repeat(depth)}${name}  ${type.split('.').at(-1)}${shapes && `  ${shapes}`}`)
    }
    printLine()
    printLine(
      `${kind}, in ${training ? 'train' : 'eval'} mode, ${parameters.toLocaleString('en')} parameters`,
    )
    printLine(
      last === null
        ? 'no linear layer'
        : `last linear layer: ${last.path || '(root)'} (${last.inFeatures} → ${last.outFeatures}${last.hasBias ? ', with bias' : ''})`,
    )
    if (record === null) printLine('no sos.json: its preprocessing has to be named by a preset')
    else printLine(`sos.json: ${record.architecture}, ${record.shifts.length} shift(s) applied`)
  })

/** Some modules have other methods only. */
function hasForward(model: { calledSubmodules(): string[] }): boolean {
  try {
    model.calledSubmodules()
    return true
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_NO_METHOD') return false
    throw error
  }
}
