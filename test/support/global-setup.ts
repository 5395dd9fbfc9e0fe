import { execFileSync } from 'node:child_process'

import { dataRoot, fixture, root } from './paths.js'
import { pythonPath } from './python.js'

/** Makes the TorchScript fixtures if they are missing. */
export default function setup(): void {
  if (dataRoot === undefined) {
    process.stderr.write('SOS_DATA_ROOT is not set: the tests on extra data are left out\n')
  }
  execFileSync(pythonPath(), [`${root}/test/fixtures/make_fixtures.py`, fixture('')], {
    stdio: ['ignore', 2, 2],
  })
}
