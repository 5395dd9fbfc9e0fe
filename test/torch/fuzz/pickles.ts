import fc from 'fast-check'

// Pickles of random opcodes, most of which find what they need on the stack; Latin-1 texts.

const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`
const globals = [
  'collections\nOrderedDict',
  'torch._utils\n_rebuild_tensor_v2',
  'torch._utils\n_rebuild_tensor_v3',
  'torch._utils\n_rebuild_parameter',
  'torch._tensor\n_rebuild_from_type_v2',
  'torch\nFloatStorage',
  'torch\nfloat32',
  'torch.storage\nUntypedStorage',
  'torch\nSize',
  'torch\ndevice',
  'torch\nTensor',
  'builtins\nset',
  'builtins\ncomplex',
  'builtins\nbytearray',
  'collections\nCounter',
  '_codecs\nencode',
  'numpy\ndtype',
  'numpy.core.multiarray\nscalar',
  'os\nsystem',
]

const simple = fc.constantFrom(
  ...'N\x88\x89)]}\x8f(',
  ...'\x85\x86\x87tlda',
  ...'esu\x90\x91012R\x81bQ\x94\x93',
)
const byte = fc.integer({ min: 0, max: 255 }).map((value) => String.fromCharCode(value))
const small = fc.integer({ min: 0, max: 6 }).map((value) => String.fromCharCode(value))
const int32 = fc
  .oneof(fc.integer({ min: -2, max: 9 }), fc.constantFrom(2 ** 31 - 1, -(2 ** 31), 65_536))
  .map((value) => Buffer.from(Int32Array.of(value).buffer).toString('latin1'))
const long = fc
  .tuple(fc.integer({ min: 0, max: 16 }), fc.constantFrom('\0', '\xff', '\x7f', '\x01'))
  .map(([length, fill]) => String.fromCharCode(length) + fill.repeat(length))

const storage = `(${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}K\x04tQ`
const tensor = `ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\0K\x02\x85K\x01\x85\x89)tR`

const opcode = fc.oneof(
  { weight: 12, arbitrary: simple },
  { weight: 4, arbitrary: fc.constantFrom(...globals).map((name) => `c${name}\n`) },
  { weight: 3, arbitrary: small.map((value) => `K${value}`) },
  { weight: 2, arbitrary: small.map((place) => `q${place}`) },
  { weight: 4, arbitrary: small.map((place) => `h${place}`) },
  { weight: 1, arbitrary: byte.map((value) => `K${value}`) },
  { weight: 1, arbitrary: int32.map((value) => `J${value}`) },
  { weight: 1, arbitrary: long.map((value) => `\x8a${value}`) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('storage', '0', 'cpu', 'w', 'f8', '', 'é')
      .map((s) => text(Buffer.from(s).toString('latin1'))),
  },
  { weight: 1, arbitrary: byte.map((value) => value) },
  { weight: 2, arbitrary: fc.constantFrom(storage, tensor) },
)

const random = fc.array(opcode, { minLength: 1, maxLength: 40 }).map((opcodes) => opcodes.join(''))

/** The opcodes of a pickle without its protocol and its end: random ones, or a state dict between random ones. */
export const pickleBody: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: random },
  { weight: 1, arbitrary: random.map((before) => `${before}}${text('w')}${tensor}s`) },
  { weight: 1, arbitrary: random.map((after) => `}${text('w')}${tensor}sq\x07${after}h\x07`) },
)

const head = '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.'

/** The bytes of a pickle of this body. */
export function pickleOf(body: string): Buffer {
  return Buffer.from(`\x80\x02${body}.`, 'latin1')
}

/** A file in torch.save's legacy format whose object is this pickle, with a storage '0' of four floats. */
export function legacyFileOf(body: string): Buffer {
  const storage = Buffer.alloc(8 + 16)
  storage.writeBigInt64LE(4n)
  return Buffer.concat([
    Buffer.from(head, 'latin1'),
    pickleOf(body),
    Buffer.from(`\x80\x02]${text('0')}a.`, 'latin1'),
    storage,
  ])
}

/** The records of a file in torch.save's zip format whose object is this pickle. */
export function zipRecordsOf(body: string | Buffer): Map<string, Buffer> {
  return new Map([
    ['archive/data.pkl', typeof body === 'string' ? pickleOf(body) : body],
    ['archive/byteorder', Buffer.from('little')],
    ['archive/data/0', Buffer.alloc(16)],
    ['archive/version', Buffer.from('3\n')],
  ])
}
