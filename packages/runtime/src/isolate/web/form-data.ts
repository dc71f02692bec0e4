/** `FormData` (XMLHttpRequest §5): an ordered list of names with strings or files. */
import { assertMutable } from '../frozen-state.ts'
import { keep } from '../kept-values.ts'
import { Blob, File } from './blob.ts'
import { defineInterface, toUsvString } from './interface.ts'

export type FormDataValue = string | File

function toEntryValue(value: unknown, fileName: unknown): FormDataValue {
  if (!(value instanceof Blob)) {
    if (fileName !== undefined) throw new TypeError('Only the value of a Blob has a file name')
    return toUsvString(value)
  }
  if (value instanceof File && fileName === undefined) return keep(value)
  const name = fileName === undefined ? 'blob' : toUsvString(fileName)
  return keep(new File([value], name, { type: value.type }))
}

export class FormData {
  #entries: [string, FormDataValue][] = []

  constructor(form?: unknown) {
    if (form !== undefined) throw new TypeError("Failed to construct 'FormData': there are no form elements here.")
  }

  append(name: unknown, value: unknown, fileName?: unknown): void {
    if (arguments.length < 2) throw new TypeError("Failed to execute 'append' on 'FormData': 2 arguments required.")
    assertMutable(this)
    this.#entries.push([toUsvString(name), toEntryValue(value, fileName)])
  }
  delete(name: unknown): void {
    assertMutable(this)
    const wanted = toUsvString(name)
    this.#entries = this.#entries.filter(([known]) => known !== wanted)
  }
  get(name: unknown): FormDataValue | null {
    const wanted = toUsvString(name)
    return this.#entries.find(([known]) => known === wanted)?.[1] ?? null
  }
  getAll(name: unknown): FormDataValue[] {
    const wanted = toUsvString(name)
    return this.#entries.filter(([known]) => known === wanted).map(([, value]) => value)
  }
  has(name: unknown): boolean {
    const wanted = toUsvString(name)
    return this.#entries.some(([known]) => known === wanted)
  }
  set(name: unknown, value: unknown, fileName?: unknown): void {
    assertMutable(this)
    const wanted = toUsvString(name)
    const entry: [string, FormDataValue] = [wanted, toEntryValue(value, fileName)]
    const index = this.#entries.findIndex(([known]) => known === wanted)
    if (index === -1) this.#entries.push(entry)
    else this.#entries = this.#entries.flatMap((old, at) => (old[0] !== wanted ? [old] : at === index ? [entry] : []))
  }
  forEach(visit: (value: FormDataValue, name: string, form: FormData) => void, self?: unknown): void {
    for (const [name, value] of this) visit.call(self, value, name, this)
  }
  *keys(): Generator<string> {
    for (const [name] of this.#entries) yield name
  }
  *values(): Generator<FormDataValue> {
    for (const [, value] of this.#entries) yield value
  }
  *entries(): Generator<[string, FormDataValue]> {
    for (const [name, value] of this.#entries) yield [name, value]
  }
  [Symbol.iterator](): Generator<[string, FormDataValue]> {
    return this.entries()
  }
}

export function installFormData(): void {
  defineInterface('FormData', FormData)
}
