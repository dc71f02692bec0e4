import type { Locate } from './syntax.ts'
import type { Unit } from './scope-model.ts'

/**
 * What the rules found. A `fresh` finding settles the module. An import-time finding only matters if its unit runs while
 * modules are being evaluated: then what it makes may outlive a call, later it may not.
 */
export class Findings {
  readonly #path: string
  readonly #locate: Locate
  readonly #fresh: { readonly start: number; readonly text: string }[] = []
  readonly #duringImport = new Map<Unit, string>()

  constructor(path: string, locate: Locate) {
    this.#path = path
    this.#locate = locate
  }

  /** The module can keep state, as `text` says of the code at `start`. */
  fresh(start: number, text: string): void {
    this.#fresh.push({ start, text })
  }

  /** The module can keep state if `unit` runs during import. Field initialisers have no room for a check and count as `fresh`. */
  duringImport(unit: Unit, start: number, text: string): void {
    if (unit.kind === 'module' || unit.kind === 'field') this.fresh(start, text)
    else if (!this.#duringImport.has(unit)) this.#duringImport.set(unit, this.describe(start, text))
  }

  importReason(unit: Unit): string | undefined {
    return this.#duringImport.get(unit)
  }

  describe(start: number, text: string): string {
    return `${this.#path}:${this.#locate(start)}: ${text}`
  }

  /** The first reason in source order. */
  freshReason(): string | undefined {
    const first = this.#fresh.toSorted((a, b) => a.start - b.start)[0]
    return first === undefined ? undefined : this.describe(first.start, first.text)
  }
}
