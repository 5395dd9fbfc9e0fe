import { Command, Option } from 'commander'
import { SosError } from '../../base/index.js'
import {
  findPrebuilt,
  homeFolder,
  installationFolder,
  isCheckout,
  packageFolder,
  packageVersion,
} from '../../install/index.js'
import { printJson, printLine } from '../shared/print.js'

interface SetupFlags {
  libtorch?: string
  usePytorch?: boolean
  cpu?: boolean
  cuda?: boolean
  build?: boolean
  dryRun?: boolean
  remove?: boolean
  json?: boolean
}

/** scripts/setup/installation.mjs, which is plain JavaScript because a checkout runs its neighbours before anything is compiled. */
interface InstallationScript {
  setUp(options: object): Promise<void>
  planSetUp(options: object): string[]
  installations(home: string): Folder[]
  removeInstallations(home: string): Promise<Folder[]>
  shownSize(bytes: number): string
  SetupFailure: new () => Error
}

interface Folder {
  path: string
  bytes: number
}

export const setupCommand = new Command('setup')
  .description(
    'install PyTorch and the native addon into a folder of yours, and nothing into node_modules; it does only what is missing',
  )
  .addOption(
    new Option(
      '--libtorch <dir>',
      'use this libtorch: a folder with include/ and lib/, or the torch folder of a PyTorch',
    ).conflicts(['usePytorch', 'cpu', 'cuda']),
  )
  .addOption(new Option('--use-pytorch', 'use the PyTorch of the python3 on PATH').conflicts(['cpu', 'cuda']))
  .addOption(
    new Option('--cpu', "install PyTorch's build for the CPU, from PyTorch's own index").conflicts('cuda'),
  )
  .option('--cuda', 'install the build for CUDA')
  .option('--build', 'compile the addon, even if one is there or a prebuilt one is installed')
  .option('--dry-run', 'only say what would be done')
  .option('--remove', 'delete what set-up has installed, for all versions of the package')
  .option('--json', 'print one JSON document at the end')
  .addHelpText(
    'after',
    `
Without an option, set-up uses the libtorch of the last time, or one in its folder, or the PyTorch of the python3 on
PATH or of ./.venv (2.11 to 2.14); otherwise it installs PyTorch from PyPI, and says its size before. On Linux
that is the build with CUDA, several gigabytes; --cpu installs about 200 MB.

The folder is ${homeFolder()}: set SOS_HOME to use another. Without a prebuilt addon, a C++20 compiler
and CMake are needed.

Examples:
  npx optimum-shifting setup --cpu
  npx optimum-shifting setup --libtorch /opt/libtorch
  npx optimum-shifting setup --remove
`,
  )
  .action(async (flags: SetupFlags) => {
    if (isCheckout) {
      throw new SosError(
        'ERR_SETUP',
        `expected a package that npm has installed, but ${packageFolder} is a checkout; run \`npm run setup\` there`,
      )
    }
    const path = '../../../scripts/setup/installation.mjs'
    const script: InstallationScript = await import(new URL(path, import.meta.url).href)
    try {
      await perform(script, flags)
    } catch (error) {
      if (!(error instanceof script.SetupFailure)) throw error
      throw new SosError('ERR_SETUP', error.message)
    }
  })

async function perform(script: InstallationScript, flags: SetupFlags): Promise<void> {
  const home = homeFolder()
  if (flags.remove) {
    const folders = flags.dryRun ? script.installations(home) : await script.removeInstallations(home)
    if (flags.json) return printJson({ home, removed: flags.dryRun ? [] : folders, found: folders })
    const verb = flags.dryRun ? 'would delete' : 'deleted'
    for (const { path, bytes } of folders) printLine(`${verb} ${path}, ${script.shownSize(bytes)}`)
    if (folders.length === 0) printLine(`nothing is installed in ${home}`)
    return
  }
  const { libtorch, usePytorch, cpu, cuda, build } = withEnvironment(flags)
  const options = {
    ...{ libtorch, usePytorch, cpu, cuda, findPrebuilt, home },
    compile: build,
    rebuild: build,
    root: packageFolder,
    version: packageVersion,
    installation: installationFolder(),
  }
  if (flags.dryRun) {
    const lines = script.planSetUp(options)
    if (flags.json) printJson({ plan: lines })
    else for (const line of lines) printLine(line)
    return
  }
  await script.setUp(options)
  if (flags.json) printJson({ home, folders: script.installations(home) })
}

/** The flags, and the environment variables that a checkout's set-up knows, if no flag says where libtorch is. */
function withEnvironment(flags: SetupFlags): SetupFlags {
  if (flags.libtorch || flags.usePytorch || flags.cpu || flags.cuda) return flags
  const { LIBTORCH, LIBTORCH_USE_PYTORCH = '' } = process.env
  if (LIBTORCH) return { ...flags, libtorch: LIBTORCH }
  return { ...flags, usePytorch: !['', '0'].includes(LIBTORCH_USE_PYTORCH) }
}
