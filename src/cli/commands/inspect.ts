import { Command } from 'commander'
import { SosError } from '../../base/index.js'
import type { OutputLayer } from '../../model/index.js'
import { library } from '../shared/library.js'

import { outputOption } from '../shared/options.js'
import { printJson, printLine } from '../shared/print.js'

export const inspectCommand = new Command('inspect')
  .description('show the modules, parameters and output layer of a TorchScript file')
  .argument('<model>', 'TorchScript file')
  .addOption(outputOption)
  .option('--json', 'print one JSON document')
  .action(async (path: string, options: { json?: boolean; output?: string }) => {
    const { checkpointRecord, outputLayer, ScriptModule } = await library()
    const model = await ScriptModule.load(path)
    const modules = model.modules()
    const parameters = [...model.namedParameters().values()].reduce(
      (sum, parameter) => sum + parameter.numel(),
      0,
    )
    const { found, reason } = outputOf(() => outputLayer(model, options.output))
    const record = checkpointRecord(model)
    const { kind, training } = model
    if (options.json)
      return printJson({
        model: path,
        kind,
        training,
        parameters,
        outputLayer: found,
        noOutputLayer: reason,
        record,
        modules,
      })
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
    printLine(`output layer: ${found === null ? reason : inWords(found)}`)
    if (record === null) printLine('no sos.json: name its preprocessing by --preset')
    else printLine(`sos.json: ${record.architecture}, ${record.shifts.length} shift(s) applied`)
  })

/** The layer that a shift uses by default, or the reason why there is none. */
function outputOf(find: () => OutputLayer): { found: OutputLayer | null; reason: string | null } {
  try {
    return { found: find(), reason: null }
  } catch (error) {
    if (error instanceof SosError) return { found: null, reason: error.message }
    throw error
  }
}

function inWords({ layer, steps, item }: OutputLayer): string {
  const { path, inFeatures, outFeatures, hasBias } = layer
  const size = `${inFeatures} → ${outFeatures}${hasBias ? ', with bias' : ''}`
  const then = steps.length === 0 ? '' : `, then ${steps.join(', ')}`
  return `${path || '(root)'} (${size})${then}${item === null ? '' : `, at ${item} of the output`}`
}
