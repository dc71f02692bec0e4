/**
 * The components of the push that is live, as a tree: the app is the root. Code belongs to definitions and is shared by
 * the components made from one; tables, variables and files are each component's own.
 */
import { createHash, createHmac } from 'node:crypto'
import { systemTables } from '@concave/database'
import { canonicalFunctionPath, displayFunctionPath, type FunctionPath, parseFunctionPath } from '@concave/protocol'
import { CatchableError, type EnvBundle } from '@concave/runtime'
import { encodeDocumentId } from '@concave/values'
import type { LoadedCode } from '../functions/loaded-code.ts'
import type { ComponentDefinition } from './component-definition.ts'

export class LoadedComponent {
  /** Namespace of its tables: `_id` of its row, '' for the app. */
  readonly id: string
  /** Names from the root down, joined by `/`; '' for the app. */
  readonly path: string
  readonly definition: ComponentDefinition
  readonly code: LoadedCode
  readonly parent: LoadedComponent | undefined
  readonly #children = new Map<string, LoadedComponent>()
  /** Variables by those of the app. */
  readonly #environments = new WeakMap<EnvBundle, EnvBundle>()

  constructor(options: {
    readonly id: string
    readonly name: string
    readonly definition: ComponentDefinition
    readonly code: LoadedCode
    readonly parent: LoadedComponent | undefined
  }) {
    const { id, name, definition, code, parent } = options
    this.id = id
    this.definition = definition
    this.code = code
    this.parent = parent
    this.path = parent === undefined || parent.path === '' ? name : `${parent.path}/${name}`
    if (parent !== undefined) parent.#children.set(name, this)
  }

  get isApp(): boolean {
    return this.parent === undefined
  }

  get children(): ReadonlyMap<string, LoadedComponent> {
    return this.#children
  }

  /**
   * Path below the site's origin where its HTTP actions are mounted, without a trailing slash; undefined if it, or what
   * mounts it, is not mounted.
   */
  get mountPath(): string | undefined {
    if (this.parent === undefined) return ''
    const above = this.parent.mountPath
    const mount = Object.entries(this.parent.definition.httpMounts).find(
      ([, target]) => target === `_reference/childComponent/${this.#name}`,
    )
    return above === undefined || mount === undefined ? undefined : above + mount[0].replace(/\/$/, '')
  }

  /** What its code sees, given the app's variables (function-runtime.md §3.6). */
  environment(app: EnvBundle): EnvBundle {
    const { parent } = this
    if (parent === undefined) return app
    let own = this.#environments.get(app)
    if (own === undefined) {
      own = this.#bindEnvironment(app, parent.environment(app))
      this.#environments.set(app, own)
    }
    return own
  }

  get #name(): string {
    return this.path.slice(this.path.lastIndexOf('/') + 1)
  }

  #bindEnvironment(app: EnvBundle, outer: EnvBundle): EnvBundle {
    const variables: Record<string, string> = {}
    for (const name of ['CONVEX_CLOUD_URL', 'CONVEX_SITE_URL']) {
      const value = app.variables[name]
      if (value !== undefined) variables[name] = name === 'CONVEX_SITE_URL' ? value + (this.mountPath ?? '') : value
    }
    const use = this.parent?.definition.childComponents.find(({ name }) => name === this.#name)
    for (const [name, binding] of use?.env ?? []) {
      const value = binding.type === 'value' ? binding.value : outer.variables[binding.name]
      if (value !== undefined) variables[name] = value
    }
    // Of this component alone: contexts that keep state by the developer's wish must not be shared with another.
    const version = createHash('sha256')
      .update(JSON.stringify([this.id, variables]))
      .digest('hex')
    return { version, variables }
  }
}

/** A function, in whichever component it stands. */
export type FunctionAddress = { readonly component: LoadedComponent; readonly path: FunctionPath }

const handlesTableNumber = systemTables.find(({ name }) => name === '_function_handles')?.number ?? 0

export class LoadedApp {
  readonly root: LoadedComponent
  readonly #byPath: ReadonlyMap<string, LoadedComponent>
  readonly #byId: ReadonlyMap<string, LoadedComponent>
  readonly #handleSecret: Uint8Array
  #byHandle: ReadonlyMap<string, FunctionAddress> | undefined

  /** `components`: all of them, the root first. `handleSecret`: of the deployment. */
  constructor(components: readonly [LoadedComponent, ...(readonly LoadedComponent[])], handleSecret: Uint8Array) {
    this.root = components[0]
    this.#handleSecret = handleSecret
    this.#byPath = new Map(components.map((component) => [component.path, component]))
    this.#byId = new Map(components.map((component) => [component.id, component]))
  }

  get components(): Iterable<LoadedComponent> {
    return this.#byPath.values()
  }

  find(componentPath: string): LoadedComponent | undefined {
    return this.#byPath.get(componentPath)
  }

  findById(id: string): LoadedComponent | undefined {
    return this.#byId.get(id)
  }

  /** What a call names, from inside `caller` (function-runtime.md §6.2). Throws what the caller may catch. */
  resolve(caller: LoadedComponent, args: Readonly<Record<string, unknown>>): FunctionAddress {
    const { name, reference, functionHandle } = args
    if (typeof name === 'string') return { component: caller, path: parseFunctionPath(name) }
    if (typeof functionHandle === 'string') return this.#resolveHandle(functionHandle)
    const found = findReference(caller, reference)
    if ('refusal' in found) throw new CatchableError(found.refusal)
    return found
  }

  /**
   * As `resolve`, for actions, which have a text of their own for what is not there. Their component may be gone: an action
   * goes on while the app is pushed anew.
   */
  resolveForAction(componentId: string, args: Readonly<Record<string, unknown>>): FunctionAddress {
    const caller = this.findById(componentId)
    const { name, reference, functionHandle } = args
    if (caller !== undefined) {
      if (typeof name === 'string' || typeof functionHandle === 'string') return this.resolve(caller, args)
      const found = findReference(caller, reference)
      if (!('refusal' in found)) return found
    }
    throw new CatchableError(`Couldn't resolve ${String(reference ?? name ?? functionHandle)}`)
  }

  /**
   * A text that names a function from anywhere, as long as it exists: who holds it may call the function, be it internal.
   * Its id follows from the component and the path, so that nothing has to be stored, and a function that comes back has
   * its old handle; and from a secret, so that nobody can make one up for a function that is not theirs to show.
   */
  handleOf({ component, path }: FunctionAddress): string {
    return `function://${this.#handleId(component, path)}#${displayFunctionPath(path)}`
  }

  #resolveHandle(handle: string): FunctionAddress {
    const id = /^function:\/\/([^#]*)/.exec(handle)?.[1] ?? ''
    this.#byHandle ??= this.#listHandles()
    const address = this.#byHandle.get(id)
    if (address === undefined) throw new CatchableError('Function handle not found')
    return address
  }

  #listHandles(): ReadonlyMap<string, FunctionAddress> {
    const byHandle = new Map<string, FunctionAddress>()
    for (const component of this.components) {
      for (const [module, { functions }] of component.code.modules) {
        for (const { name } of functions) {
          const path = { module, name }
          byHandle.set(this.#handleId(component, path), { component, path })
        }
      }
    }
    return byHandle
  }

  #handleId(component: LoadedComponent, path: FunctionPath): string {
    const digest = createHmac('sha256', this.#handleSecret)
      .update(JSON.stringify([component.id, canonicalFunctionPath(path)]))
      .digest()
    return encodeDocumentId(handlesTableNumber, new Uint8Array(digest.subarray(0, 16)))
  }
}

/** `_reference/childComponent/{name}/{dir}/{module}/{export}`: a child shows its public functions only. */
function findReference(caller: LoadedComponent, reference: unknown): FunctionAddress | { readonly refusal: string } {
  const [root, kind, name = '', ...rest] = typeof reference === 'string' ? reference.split('/') : []
  if (root !== '_reference' || kind !== 'childComponent') return { refusal: `Couldn't resolve ${String(reference)}` }
  const component = caller.children.get(name)
  if (component === undefined) return { refusal: `Child component ${name} not found` }
  if (rest.length < 2) return { refusal: 'Cannot execute a value resource' }
  const path = parseFunctionPath(`${rest.slice(0, -1).join('/')}:${rest.at(-1)}`)
  if (component.code.find(path)?.isPublic !== true) {
    return { refusal: `Component ${component.path} does not export ${rest.join('.')}` }
  }
  return { component, path }
}
