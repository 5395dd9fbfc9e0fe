import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { makeCheckout, write } from './scratch-checkout.js'

// A package as npm installs it: a scratch checkout without what only a clone has, and with other fakes.

/** Makes the package in a folder. */
export function makePackage(root: string): void {
  makeCheckout(root)
  for (const path of ['scripts/setup.mjs', 'src', 'package-lock.json'])
    rmSync(join(root, path), { recursive: true })
  const description = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  write(join(root, 'package.json'), JSON.stringify({ ...description, binary: { napi_versions: [9] } }))
  for (const name of ['cmake-js', 'typescript'])
    write(join(root, 'node_modules', name, 'package.json'), `{"name": "${name}", "version": "1.0.0"}`)
  write(join(root, 'node_modules/cmake-js/bin/cmake-js'), fakeCMakeJs)
  write(join(root, 'dist/cli/main.js'), fakeDoctor)
}

/** Notes its calls in the user's folder, and "builds" into the folder that -O names. */
const fakeCMakeJs = `const fs = require('node:fs')
const [command, ...args] = process.argv.slice(2)
const out = args[args.indexOf('-O') + 1]
fs.appendFileSync(process.env.CALLS, 'cmake-js ' + command + '\\n')
if (command === 'configure') {
  fs.mkdirSync(out, { recursive: true })
  fs.writeFileSync(out + '/CMakeCache.txt', 'CMAKE_CXX_COMPILER:STRING=' + args[args.indexOf('--cxx') + 1] + '\\n')
} else {
  setTimeout(() => {
    fs.mkdirSync(out + '/Release', { recursive: true })
    fs.writeFileSync(out + '/Release/sos_native.node', '')
    fs.writeFileSync(out + '/Release/libturbojpeg.so.0', '')
    fs.writeFileSync(out + '/Release/sos_core.o', '')
  }, Number(process.env.BUILD_MS ?? 0))
}
`

/** The addon of the last set-up can be loaded, unless the environment says that it cannot. */
const fakeDoctor = `import fs from 'node:fs'
const failing = process.env.UNLOADABLE
const folder = process.env.SCRATCH_INSTALLATION
const { addon } = JSON.parse(fs.readFileSync(folder + '/setup.json', 'utf8'))
const error = failing === String(addon === null ? 'prebuilt' : 'built') ? 'GLIBC_2.99 not found' : null
console.log(JSON.stringify({ error, torch: error === null ? { addon: addon ?? 'prebuilt' } : null }))
process.exitCode = error === null ? 0 : 1
`

/** Answers set-up's questions, makes a virtual environment of itself, and installs the fake libtorch as its torch. */
export function fakePython(torch: string): string {
  return `case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *--dry-run*)
    echo "plan $*" >> "$CALLS"
    while [ "$1" != --report ]; do shift; done
    cat > "$2" <<'END'
{"install": [
  {"metadata": {"name": "torch", "version": "2.13.0"}, "download_info": {"url": "file://${join(torch, 'include/ATen/ATen.h')}"}},
  {"metadata": {"name": "nvidia-cublas", "version": "13.1"}, "download_info": {"url": "file:///nowhere"}},
  {"metadata": {"name": "sympy", "version": "1.14.0"}, "download_info": {"url": "file:///nowhere"}}]}
END
    ;;
  *" install "*)
    echo "install $*" >> "$CALLS"
    if [ -n "$PIP_FAILS" ]; then echo 'ERROR: no network'; exit 1; fi
    case "$*" in *" cmake ninja")
      for tool in cmake ninja; do printf '#!/bin/sh\\necho cmake version 4.1.0\\n' > "$(dirname "$0")/$tool"; chmod +x "$(dirname "$0")/$tool"; done
      exit 0 ;;
    esac
    packages="$(dirname "$0")/../lib/python3.13/site-packages"
    mkdir -p "$packages" && cp -r '${torch}' "$packages/torch" ;;
  "-c"*) echo '{"python": "'"$0"'", "version": [3, 13, 0], "venv": true, "folder": null}' ;;
esac`
}
