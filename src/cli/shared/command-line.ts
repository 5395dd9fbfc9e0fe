/**
 * The running command with all its options, quoted for a POSIX shell, so that it can be typed again.
 *
 * @param instead options that replace others, for example `{ '--record': '--resume' }`
 */
export function commandLine(
  instead: Readonly<Record<string, string>> = {},
  given: readonly string[] = process.argv.slice(2),
): string {
  const end = given.indexOf('--')
  const typed = given.map((argument, i) => {
    const [, name = argument, value = ''] = /^(--[^=]+)(=.*)$/s.exec(argument) ?? []
    return Object.hasOwn(instead, name) && (end === -1 || i < end) ? `${instead[name]}${value}` : argument
  })
  return ['sos', ...typed].map(quoted).join(' ')
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`
}
