import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { Command } from 'commander'

import {
  findInstallation,
  findPrebuilt,
  installationFolder,
  installationRecord,
  isCheckout,
  packageFolder,
  packageVersion,
  setupCommand,
} from '../../install/index.js'
import { printJson, printLine } from '../shared/print.js'

export const doctorCommand = new Command('doctor')
  .description('show the parts of this installation, and what is wrong with it')
  .option('--json', 'print one JSON document')
  .action(async (options: { json?: boolean }) => {
    const findings = await examine()
    if (findings.error !== null) process.exitCode = 1
    if (options.json) return printJson(findings)
    printLine(`Node       ${findings.node} (Node-API ${findings.nodeApi})`)
    printLine(`package    ${packageVersion}, ${findings.package.folder}`)
    printLine(`set up     by \`${setupCommand}\`, in ${findings.package.setUpIn}`)
    const { prebuilt } = findings.package
    if (prebuilt !== null) printLine(`prebuilt   ${prebuilt.name} ${prebuilt.version}${misfit(prebuilt)}`)
    if (findings.torch === null) {
      printLine(`addon      cannot be used: ${findings.error}`)
      return
    }
    const { version, variant, library, devices, threads, cpuCapability, jpegDecoder, processGroups, addon } =
      findings.torch
    printLine(`addon      ${origins[findings.torch.origin]}, ${addon}`)
    printLine(`libtorch   ${version}, ${variant}, ${library}`)
    printLine(`devices    ${devices.join(', ')}`)
    for (const { device, name, freeBytes, totalBytes } of findings.torch.cuda) {
      printLine(`${device.padEnd(11)}${name}, ${gibibytes(freeBytes)} of ${gibibytes(totalBytes)} GiB free`)
    }
    printLine(`threads    ${threads} (${cpuCapability})`)
    printLine(`JPEG       ${jpegDecoder}${jpegDecoder === 'sharp' ? slower : ''}`)
    printLine(`c10d       ${processGroups.join(', ')}`)
  })

const slower =
  ', in about twice the time of libturbojpeg, which was not there when the addon was built; run set-up again: it fetches libturbojpeg, or says how to install it'

const origins = {
  checkout: "the checkout's own",
  built: 'compiled by set-up',
  prebuilt: 'prebuilt',
}

const misfit = ({ fits }: { fits: boolean }) =>
  fits ? '' : `, which is not used: only version ${packageVersion} fits`

async function examine() {
  const record = installationRecord()
  const base = {
    node: process.versions.node,
    nodeApi: process.versions.napi,
    package: {
      version: packageVersion,
      folder: packageFolder,
      setUpIn: isCheckout ? packageFolder : installationFolder(),
      prebuilt: (record && findPrebuilt(record.torchVersion)) ?? null,
    },
  }
  try {
    const { runtimeInfo, torch } = await import('../../torch/index.js')
    const { origin } = findInstallation()
    const { torchVersion, ...info } = runtimeInfo()
    const hasCuda = existsSync(join(dirname(info.library), 'libtorch_cuda.so'))
    return {
      ...base,
      torch: {
        version: torchVersion,
        variant: hasCuda ? 'CUDA' : 'CPU',
        ...info,
        origin,
        cuda: cudaDevices(torch.cuda),
      },
      error: null,
    }
  } catch (error) {
    return { ...base, torch: null, error: (error as Error).message }
  }
}

function cudaDevices(cuda: typeof import('../../torch/index.js').torch.cuda) {
  return Array.from({ length: cuda.deviceCount() }, (_, index) => {
    const [freeBytes, totalBytes] = cuda.memGetInfo(index)
    return { device: `cuda:${index}`, name: cuda.getDeviceName(index), freeBytes, totalBytes }
  })
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1)
}
