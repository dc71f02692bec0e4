/** Names in schemas and field names in values (database.md §1.5). Each check answers undefined or the exact error text. */
import { valueLimits } from './limits.ts'

const printableAscii = /^[\x20-\x7e]*$/

/** Table, index, component and validator field names: `[A-Za-z_][A-Za-z0-9_]*`, at most 64, not only underscores. */
export function checkIdentifier(text: string): string | undefined {
  if (text === '') return 'Identifier cannot be empty'
  const first = firstMatch(text, (char, index) => index === 0 && !/[A-Za-z_]/.test(char))
  if (first !== undefined) {
    return `Invalid first character '${first}' in ${text}: Identifiers must start with an alphabetic character or underscore`
  }
  const invalid = firstMatch(text, (char) => !/[A-Za-z0-9_]/.test(char))
  if (invalid !== undefined) {
    return `Identifier ${text} has invalid character '${invalid}': Identifiers can only contain alphanumeric characters or underscores`
  }
  if (text.length > valueLimits.maxIdentifierLength) {
    return `Identifier is too long (${text.length} > maximum ${valueLimits.maxIdentifierLength})`
  }
  if (/^_+$/.test(text)) return `Identifier ${text} cannot have exclusively underscores`
  return undefined
}

/** Field names of any object value: printable ASCII, at most 1024, not starting with `$`; may be empty. */
export function checkFieldName(text: string): string | undefined {
  if (text.startsWith('$')) return `Field name ${text} starts with '$', which is reserved.`
  if (!printableAscii.test(text)) {
    const invalid = firstMatch(text, (char) => !printableAscii.test(char)) ?? ''
    return `Field name ${text} has invalid character '${invalid}': Field names can only contain non-control ASCII characters`
  }
  if (text.length > valueLimits.maxFieldNameLength) {
    return `Field name is too long (${text.length} > maximum ${valueLimits.maxFieldNameLength})`
  }
  return undefined
}

function firstMatch(text: string, matches: (char: string, index: number) => boolean): string | undefined {
  return Array.from(text).find(matches)
}
