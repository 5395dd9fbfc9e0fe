import { readFileSync, writeFileSync } from 'node:fs'
import type { Tensor } from '../../src/index.js'

/** Tensors go to the Python references and back as raw little-endian files. */
export function writeTensor(path: string, tensor: Tensor): void {
  const values = tensor.toTypedArray()
  writeFileSync(path, new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
}

export function readFloats(path: string): Float32Array {
  const bytes = readFileSync(path)
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}

/** The largest absolute difference of two equally long lists. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`)
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!))
  return largest
}

/** How many places of two equally long lists differ. */
export function differences(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`)
  return Array.from(a).filter((value, i) => value !== b[i]).length
}
