/**
 * The tree of component instances that an app's definitions describe, type-checked (function-runtime.md §1.10, §6). The
 * root is the app. One definition may stand in many places.
 */
import type { AnalyzedModule } from '@concave/runtime'
import { checkIdentifier } from '@concave/values'
import { httpModulePath } from '../functions/http-routes.ts'
import { deploymentLimits } from '../limits.ts'
import { pushError } from '../push/push-request.ts'
import type { ComponentDefinition } from './component-definition.ts'
import { exportPublicFunctions, showInstanceExports } from './component-exports.ts'
import { checkBindings } from './environment-bindings.ts'
import { checkMounts } from './http-mounts.ts'

/** Definitions by path; the app's own is ''. */
export type Definitions = ReadonlyMap<
  string,
  { readonly definition: ComponentDefinition; readonly modules: ReadonlyMap<string, AnalyzedModule> }
>

export type ComponentInstance = {
  /** Names from the app down, joined by `/`; '' for the app. */
  readonly path: string
  readonly name: string
  readonly definitionPath: string
  readonly children: readonly ComponentInstance[]
}

/** Throws the push's error (`TypecheckError`) if a definition mounts what is not there, or two of one name. */
export function buildComponentTree(definitions: Definitions): ComponentInstance {
  let count = 0
  const build = (path: string, name: string, definitionPath: string): ComponentInstance => {
    count += 1
    if (count > deploymentLimits.maxComponents) {
      throw typeError(`An app has at most ${deploymentLimits.maxComponents} components.`)
    }
    const { definition } = getDefinition(definitions, definitionPath)
    checkNames(path, definition)
    const children = definition.childComponents.map((child) => build(join(path, child.name), child.name, child.path))
    return { path, name, definitionPath, children }
  }
  return build('', '', '')
}

/** Throws the push's error (`TypecheckError`) for the first component that is mounted in a way that cannot be. */
export function checkComponentTree(instance: ComponentInstance, definitions: Definitions): void {
  const { path, definitionPath, children } = instance
  const { definition, modules } = getDefinition(definitions, definitionPath)
  for (const [position, child] of children.entries()) {
    checkBindings({
      componentPath: child.path,
      bindings: definition.childComponents[position]?.env ?? [],
      declared: getDefinition(definitions, child.definitionPath).definition.envVars ?? [],
      parentDeclared: definition.envVars ?? [],
    })
  }
  checkMounts({
    component: describe(path),
    definition,
    routes: modules.get(httpModulePath)?.httpRoutes ?? [],
    hasRoutes: (name) => {
      const child = children.find((candidate) => candidate.name === name)
      return child === undefined ? undefined : hasRoutes(definitions, child.definitionPath)
    },
  })
  for (const child of children) checkComponentTree(child, definitions)
}

/** All components below `root`, parents before children. */
export function listComponents(root: ComponentInstance): readonly ComponentInstance[] {
  return root.children.flatMap((child) => [child, ...listComponents(child)])
}

/** The tree as `start_push` answers it (cli-protocol.md §3.5, `Checked`). */
export function showComponentTree(instance: ComponentInstance, definitions: Definitions): unknown {
  const { definition, modules } = getDefinition(definitions, instance.definitionPath)
  return {
    definitionPath: instance.definitionPath,
    componentPath: instance.path,
    args: {},
    childComponents: Object.fromEntries(
      instance.children.map((child) => [child.name, showComponentTree(child, definitions)]),
    ),
    httpRoutes: {
      httpModuleRoutes: modules.get(httpModulePath)?.httpRoutes ?? null,
      mounts: Object.keys(definition.httpMounts),
    },
    exports: instance.path === '' ? {} : showInstanceExports(exportPublicFunctions(modules), instance.path),
  }
}

function getDefinition(
  definitions: Definitions,
  path: string,
): { readonly definition: ComponentDefinition; readonly modules: ReadonlyMap<string, AnalyzedModule> } {
  const found = definitions.get(path)
  if (found === undefined) throw typeError(`The component definition "${path}" is not part of this push.`)
  return found
}

function checkNames(path: string, { childComponents }: ComponentDefinition): void {
  const names = new Set<string>()
  for (const { name } of childComponents) {
    const invalid = checkIdentifier(name)
    if (invalid !== undefined) throw typeError(`Invalid component name "${name}": ${invalid}`)
    if (names.has(name)) {
      throw typeError(
        `Component ${describe(path)} uses two components as "${name}". Give one of them another name: use(component, { name }).`,
      )
    }
    names.add(name)
  }
}

function hasRoutes(definitions: Definitions, path: string): boolean {
  const { definition, modules } = getDefinition(definitions, path)
  return modules.get(httpModulePath)?.httpRoutes !== undefined || Object.keys(definition.httpMounts).length > 0
}

function join(parent: string, name: string): string {
  return parent === '' ? name : `${parent}/${name}`
}

/** For people. */
function describe(path: string): string {
  return path === '' ? '(app)' : path
}

function typeError(message: string): Error {
  return pushError('TypecheckError', message)
}
