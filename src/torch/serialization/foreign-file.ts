const starts: readonly [bytes: string, at: number, what: string][] = [
  [
    'version https://git-lfs.github.com/spec/',
    0,
    'a pointer of Git LFS and not the file itself; get the file with `git lfs pull`',
  ],
  [
    'version https://hawser.github.com/spec/',
    0,
    'a pointer of Git LFS and not the file itself; get the file with `git lfs pull`',
  ],
  ['\x89HDF\r\n\x1a\n', 0, 'an HDF5 file, such as Keras writes; convert the weights in Python'],
  ['GGUF', 0, 'a GGUF file, such as llama.cpp reads; convert the weights in Python'],
  ['\x93NUMPY', 0, 'an array of NumPy; save it as safetensors'],
  ['ET1', 4, 'a program of ExecuTorch; export the model with torch.jit.script(model).save(FILE)'],
  [
    'TFL3',
    4,
    'a model of TensorFlow Lite; export the model from PyTorch, with torch.jit.script(model).save(FILE)',
  ],
  ['\x1f\x8b', 0, 'compressed by gzip; unpack it first'],
  ['\xfd7zXZ', 0, 'compressed by xz; unpack it first'],
  ['\x28\xb5\x2f\xfd', 0, 'compressed by Zstandard; unpack it first'],
  ['BZh', 0, 'compressed by bzip2; unpack it first'],
  ["7z\xbc\xaf'\x1c", 0, 'a 7z archive; unpack it first'],
  ['Rar!', 0, 'a RAR archive; unpack it first'],
  [
    'ustar',
    257,
    'a tar archive, such as PyTorch wrote before version 0.1.10; unpack it, or load it in Python and save it again',
  ],
]

/** How many bytes from the beginning of a file {@link foreignFile} needs. */
export const foreignFileStart = 512

/**
 * Describes a file that is neither weights nor a model, and says what to do. The text continues "this is". Undefined if the beginning of the
 * file does not show what it is.
 *
 * @param bytes the first {@link foreignFileStart} bytes of the file, or all if there are fewer
 */
export function foreignFile(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  if (start === '') return 'an empty file; perhaps a copy or a download was interrupted'
  const found = starts.find(([magic, at]) => start.startsWith(magic, at))
  if (found !== undefined) return found[2]
  if (start.startsWith('PK\x03\x04')) return foreignArchive(start)
  if (isOnnx(bytes)) {
    return 'probably a model in ONNX; export the model from PyTorch, with torch.jit.script(model).save(FILE)'
  }
  const text = start.replace(/^\xef\xbb\xbf/, '').trimStart()
  if (/^(<!doctype html|<html|<head)/i.test(text)) {
    return 'a web page, perhaps the error page of a download; get the file itself'
  }
  if (/^(<\?xml|<[a-z])/i.test(text)) return 'a text in XML, perhaps the error page of a download'
  if (text.startsWith('{') && text.includes('"weight_map"')) {
    return 'the index of a checkpoint in several files; load each of the files that it names'
  }
  return text.startsWith('{') ? 'a text in JSON' : undefined
}

/** Whether the bytes are a message of protocol buffers whose first field is a small version and whose second is the producer's name. */
function isOnnx([version, number = 0, producer, length = 0, ...text]: Uint8Array): boolean {
  if (version !== 0x08 || number > 32 || producer !== 0x12 || length < 3 || length > 64) return false
  return /^[\w .-]+$/.test(String.fromCharCode(...text.slice(0, length)))
}

/** Describes a zip archive by the name of its first file. */
function foreignArchive(start: string): string | undefined {
  const length = start.charCodeAt(26) + 256 * start.charCodeAt(27)
  const name = start.slice(30, 30 + length)
  if (name === 'serialized_exported_program.json') return exportedProgram
  if (name.endsWith('.npy')) return 'an archive of NumPy arrays (.npz); save them as safetensors'
  // In the archives that PyTorch writes, all files are in one folder.
  const other = !name.includes('/') || /^(META-INF|_rels|docProps|word|xl|ppt)\//.test(name)
  return other && length > 0
    ? `a zip archive that PyTorch did not write, such as a document or a program; its first file is ${JSON.stringify(name.slice(0, 60))}`
    : undefined
}

/** The description of what torch.export.save writes, which torch.jit.load cannot read. */
export const exportedProgram =
  'a program of torch.export (.pt2), which is not TorchScript; export the model with torch.jit.script(model).save(FILE), or torch.jit.trace, instead'

/** Whether the names are those of the records in a file of torch.export, or in a package that was compiled from one. */
export function isExportedProgram(records: Iterable<string>): boolean {
  return [...records].some((name) => /^(models\/.*\.json|archive_format|data\/aotinductor\/.*)$/.test(name))
}
