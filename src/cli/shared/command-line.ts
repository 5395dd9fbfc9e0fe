/**
 * The command that runs now, to be typed again into a POSIX shell: with all its options, quoted where they need it.
 *
 * @param instead options that are to stand in the place of others, as `{ '--record': '--resume' }`
 */
export function commandLine(
  instead: Readonly<Record<string, string>> = {},
  given: readonly string[] = process.argv.slice(2),
): string {
  const end = given.indexOf('--')
  const told = given.map((argument, i) => {
    const [, name = argument, value = ''] = /^(--[^=]+)(=.*)$/s.exec(argument) ?? []
    return Object.hasOwn(instead, name) && (end === -1 || i < end) ? `${instead[name]}${value}` : argument
  })
  return ['sos', ...told].map(quoted).join(' ')
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`
}
