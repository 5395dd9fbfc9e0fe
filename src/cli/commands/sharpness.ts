import { join } from 'node:path'
import { Command, Option } from 'commander'
import { specHelp } from '../../base/index.js'
import { library } from '../shared/library.js'
import { expectSamePreprocessing, openModelAndData } from '../shared/open.js'
import {
  addImageOptions,
  deviceOption,
  outputOption,
  outputsOption,
  positiveNumber,
  presetOption,
  share,
  wholeNumber,
} from '../shared/options.js'
import { expectOutputs } from '../shared/output.js'
import { printJson, printLine } from '../shared/print.js'
import { measureSharpness } from '../sharpness/measure.js'
import { printSharpness } from '../sharpness/print.js'
import {
  contradiction,
  expectSameSize,
  listOfMeasures,
  operators,
  probesOrExact,
  type SharpnessOptions,
} from '../sharpness/requests.js'

export const sharpnessCommand = new Command('sharpness')
  .description('measure how sharp the minimum of a model is, or how it differs between two models')
  .argument('<model>', 'TorchScript file')
  .option('--compare <model>', 'a second model, measured on the same images and random vectors')
  .requiredOption('--data <spec>', specHelp)
  .option(
    '--measure <m,…>',
    'what is measured: trace, eigenvalues, density, worst-case, average; several are separated by commas',
    listOfMeasures,
    ['trace'],
  )
  .addOption(
    new Option('--operator <matrix>', 'the matrix: what these are is said below')
      .choices([...operators])
      .default('hessian'),
  )
  .option(
    '--parameters <glob>',
    "restrict the matrix to the parameters of this name or pattern, for example 'layer4.**' (default: all)",
  )
  .option(
    '--samples <n>',
    'number of images; the loss is their mean (default: 4096 for the trace alone and 512 for other measures, or all if there are fewer)',
    wholeNumber(1),
  )
  .option(
    '--probes <n|exact>',
    'number of random combinations for each image of the trace, or exact (default: 2); for traces by random vectors their number (default: 32)',
    probesOrExact,
  )
  .addOption(
    new Option(
      '--sampling <how>',
      'how images are drawn for the trace: confidence takes those more often of which the model is less sure',
    ).choices(['uniform', 'confidence']),
  )
  .option('--by-layer', 'the part of each layer in the trace, too')
  .option('--top <n>', 'number of the largest eigenvalues (default: 10)', wholeNumber(1, 100_000))
  .option(
    '--tolerance <t>',
    'an eigenvalue has converged if its residual is at most this share of it (default: 0.001)',
    share,
  )
  .option(
    '--max-products <n>',
    'the eigenvalues end after so many matrix-vector products (default: 10 for each eigenvalue, and 100)',
    wholeNumber(1),
  )
  .option(
    '--resume <file>',
    'continue the eigenvalues from the state in FILE, which is begun if there is none; FILE.compare is for the second model',
  )
  .option(
    '--density-probes <n>',
    'number of random vectors of the density (default: 4)',
    wholeNumber(1, 100_000),
  )
  .option(
    '--density-steps <n>',
    'number of products for each random vector of the density (default: 80)',
    wholeNumber(1, 100_000),
  )
  .option(
    '--rho <r>',
    'radius for worst-case and average (default: 0.05; with --adaptive 0.5)',
    positiveNumber,
  )
  .option('--adaptive', 'make that radius relative to the size of each weight, as ASAM does')
  .option(
    '--ascent-steps <n>',
    'number of steps of the worst case; 1 is the step of SAM (default: 10)',
    wholeNumber(1),
  )
  .option(
    '--directions <n>',
    'number of random directions of the average (default: 16)',
    wholeNumber(2, 1_000_000),
  )
  .option('--seed <n>', 'seed of the images and of all random vectors', wholeNumber(0), 0)
  .addOption(outputsOption)
  .addOption(outputOption)
  .option(
    '--chunk <n>',
    'number of images in one forward pass; less needs less memory (default: 32 for a trace image by image, otherwise 128)',
    wholeNumber(1),
  )
  .addOption(presetOption)
  .addOption(deviceOption)
  .option('--report <dir>', 'folder for index.html, a page of figures and tables, and sharpness.json')
  .option('--json', 'print one JSON document, which is described below')
  .addHelpText(
    'after',
    `
The matrix is that of the mean cross-entropy over the images, in eval mode. The operators are
  hessian           H, all second derivatives
  ggn               G, the generalised Gauss-Newton matrix: H without the curvature of the network itself
  fisher            F, Fisher's information matrix, which equals G
  empirical-fisher  E, the mean of the products g gᵀ of the gradients g of single images

The measures are
  trace        the sum of the eigenvalues, with two standard errors: over the images, and over the random vectors
               It is measured image by image. For a network that is not piecewise linear, this gives tr(G); what tr(H) has in addition,
               and tr(E), are estimated by random vectors, whose error over the images is not known.
  eigenvalues  the largest eigenvalues, each with its residual; the first is λ₁
  density      how all eigenvalues are distributed, by stochastic Lanczos quadrature; the ten of the largest magnitude are
               computed by themselves
  worst-case   the largest rise of the loss that gradient ascent finds in the ball of radius ρ around the weights, a lower bound
  average      the mean rise of the loss in random directions of the length ρ

The JSON document is { model, dataset, operator, parameters, size, samples, seed, withoutGradient } and what was measured:
  trace            { value, standardError, probeStandardError, samples, probes, method }; standardError is null if the method
                   does not know the error over images
  eigenvalues      [{ value, residual, converged }], the largest first; products is the number of matrix-vector products, and
                   floor is the residual that the dtype of the weights allows
  density          { nodes, weights, outliers: [{ value, residual, converged }], size, products }; each outlier has the weight 1/size
  worstCase        { value, standardError, loss, rho, adaptive, samples, steps, gradientNorm }
  average          { value, standardError, probeStandardError, loss, rho, adaptive, samples, probes }
  compare          { model, trace, eigenvalues, …, withoutGradient }: the same of the second model
  difference       { trace: { value, standardError, probeStandardError, method }, worstCase, average }: the second less the first, paired
  withoutGradient  parameters that are left out, because no gradient reaches them

A trace image by image costs about one backward for each probe. All else costs products: one takes about three times as long as a
gradient of the loss on the same images.

With --resume, Ctrl-C ends the eigenvalues after the current product (exit code 130), and the command to continue with is printed.

Examples:
  sos sharpness before.pt --compare after.pt --data idx:assets/fashion-mnist:train
  sos sharpness resnet20.pt --data cifar10:data:train --measure trace,eigenvalues,density --top 100 --report out/sharpness`,
  )
  .action(async (path: string, options: SharpnessOptions) => {
    const wrong = contradiction(options)
    if (wrong !== undefined) sharpnessCommand.error(`error: ${wrong}`)
    const { makeReportFolder, writeSharpnessReport } = await library()
    const { report, resume, compare } = options
    if (report !== undefined) await makeReportFolder(report)
    const written =
      report === undefined ? [] : ['index.html', 'sharpness.json'].map((name) => join(report, name))
    if (resume !== undefined) written.push(resume, ...(compare === undefined ? [] : [`${resume}.compare`]))
    await expectOutputs(written, [path, compare ?? path, options.data])
    const first = { path, ...(await openModelAndData(path, options)) }
    // A second model that cannot be loaded is reported now, and not after the minutes that the first one takes.
    const second =
      compare === undefined ? undefined : { path: compare, ...(await openModelAndData(compare, options)) }
    if (second !== undefined) {
      expectSamePreprocessing(first, second)
      expectSameSize(first, second)
    }

    const record = await measureSharpness(first, second, options)
    // It is printed before it is written, so that a full disk does not lose the work of hours.
    if (options.json) printJson(record)
    else await printSharpness(record)
    if (report === undefined) return
    const files = await writeSharpnessReport(record, report)
    if (!options.json) printLine(`Written: ${files.page} and ${files.json}`)
  })
addImageOptions(sharpnessCommand)
