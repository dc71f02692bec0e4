/* oxlint-disable typescript/no-base-to-string -- WebIDL converts whatever it is given by ToString */
/** `DOMException` (WebIDL §2.8.1): an Error with a name from a fixed table and, for old names, a code. */
import { defineInterface } from './interface.ts'

const codes: Readonly<Record<string, number>> = {
  IndexSizeError: 1,
  HierarchyRequestError: 3,
  WrongDocumentError: 4,
  InvalidCharacterError: 5,
  NoModificationAllowedError: 7,
  NotFoundError: 8,
  NotSupportedError: 9,
  InUseAttributeError: 10,
  InvalidStateError: 11,
  SyntaxError: 12,
  InvalidModificationError: 13,
  NamespaceError: 14,
  InvalidAccessError: 15,
  TypeMismatchError: 17,
  SecurityError: 18,
  NetworkError: 19,
  AbortError: 20,
  URLMismatchError: 21,
  QuotaExceededError: 22,
  TimeoutError: 23,
  InvalidNodeTypeError: 24,
  DataCloneError: 25,
}

export class DOMException extends Error {
  readonly #name: string

  constructor(message: unknown = '', options: unknown = 'Error') {
    const isBag = typeof options === 'object' && options !== null
    const bag = (isBag ? options : {}) as { readonly name?: unknown; readonly cause?: unknown }
    super(String(message), 'cause' in bag ? { cause: bag.cause } : undefined)
    this.#name = isBag ? String(bag.name ?? 'Error') : String(options)
  }

  override get name(): string {
    return #name in this ? this.#name : 'Error'
  }

  get code(): number {
    return codes[this.name] ?? 0
  }
}

export function installDomException(): void {
  for (const [name, value] of Object.entries(codes)) {
    const constant = name
      .replace(/Error$/, '')
      .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
      .toUpperCase()
    for (const target of [DOMException, DOMException.prototype]) {
      Object.defineProperty(target, `${constant}_ERR`, { value, enumerable: true })
    }
  }
  defineInterface('DOMException', DOMException)
}
