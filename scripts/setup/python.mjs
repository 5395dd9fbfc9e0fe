import { execFileSync } from 'node:child_process'
import { which } from './command.mjs'

const NAMES = ['python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3']
const PROBE = `
import json, sys
try:
    import ensurepip, venv
    able = True
except ImportError:
    able = False
print(json.dumps({"python": sys.executable, "version": list(sys.version_info[:3]), "venv": able}))
`
const PYTORCH_PROBE = `
import importlib.util, json, os, sys
spec = importlib.util.find_spec("torch")
print(json.dumps({"python": sys.executable, "folder": spec and spec.origin and os.path.dirname(spec.origin)}))
`

/**
 * Finds a Python that can make the .venv. Each candidate is run, because a name on PATH may be a shim for a version that is not
 * installed.
 *
 * @returns {{ python: string } | { tried: string[], package: string }}
 */
export function findPython() {
  const tried = []
  let withoutVenv
  for (const name of NAMES) {
    const path = which(name)
    if (!path) continue
    const found = probe(path, PROBE)
    if (!found) {
      tried.push(`${path} does not run`)
    } else if (!isSupported(found.version)) {
      tried.push(`${path} is ${found.version.join('.')}`)
    } else if (!found.venv) {
      tried.push(`${path} (${found.version.join('.')}) has no venv with ensurepip`)
      withoutVenv ??= `python3.${found.version[1]}-venv`
    } else {
      return { python: found.python }
    }
  }
  return { tried, package: withoutVenv ?? 'python3 python3-venv' }
}

/** Whether an existing venv still runs, pip included, with a version that is supported. */
export function isUsableVenv(python) {
  const found = probe(python, `import pip${PROBE}`)
  return found !== undefined && isSupported(found.version)
}

/**
 * The torch package of the first Python that has one.
 *
 * @param {string[]} names commands on PATH, or paths
 * @returns {{ found?: { python: string, folder: string }, tried: string[] }}
 */
export function findPyTorch(names = ['python3', 'python']) {
  const tried = []
  for (const name of names) {
    const path = which(name)
    const found = path && probe(path, PYTORCH_PROBE)
    if (found?.folder) return { found, tried }
    tried.push(`${name}: ${path ? `${path} ${found ? 'has no torch' : 'does not run'}` : 'not on PATH'}`)
  }
  return { tried }
}

function probe(path, program) {
  try {
    const output = execFileSync(path, ['-c', program], {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 30_000,
    })
    return JSON.parse(output.toString())
  } catch {
    return undefined
  }
}

function isSupported([major, minor]) {
  return major === 3 && minor >= 10 && minor <= 13
}
