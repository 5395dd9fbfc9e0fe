import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
export const assets = `${root}/assets`
export const demoModel = `${assets}/fashion-resnet.pt`
export const fashionMnist = `${assets}/fashion-mnist`
export const fixture = (name: string): string => `${root}/test/.fixtures/${name}`

/** Extra data of the tests, which the project does not ship; undefined if there is none. */
export const dataRoot = process.env.SOS_DATA_ROOT || undefined

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'sos-test-'))
