/**
 * Private elements are state that reflection does not show and freezing does not stop. Values of private fields are kept;
 * instances whose private fields can change, or whose class could put private fields on a finished object, are refused.
 */
import type { AnyNode } from 'acorn'
import type { Edits } from './edits.ts'
import type { Findings } from './findings.ts'
import { keepAssigned, keepRange, type Insertions } from './rewrite.ts'
import { isThis, type ClassInfo, type PrivateUse, type Unit } from './scope-model.ts'
import { isAnonymousDefinition } from './syntax.ts'

type Element = ClassInfo['node']['body']['body'][number]
type PrivateElement = Exclude<Element, { type: 'StaticBlock' }>

export function checkPrivateNames(info: ClassInfo, findings: Findings, insertions: Insertions, edits: Edits): void {
  const elements = info.node.body.body.filter(isPrivate)
  if (elements.length === 0) return
  const instanceElement = elements.find((element) => !element.static)
  if (instanceElement !== undefined && info.node.superClass != null) {
    findings.fresh(
      instanceElement.start,
      'a class that extends another has private elements; its constructor could add them to any object.',
    )
  }
  for (const use of info.privateUses) checkUse(use, info, elements, { findings, insertions, edits })
  let index = 0
  for (const element of elements) {
    if (element.type !== 'PropertyDefinition' || element.value == null) continue
    index += 1
    keepValue(element, element.value, index, edits)
  }
}

function isPrivate(element: Element): element is PrivateElement {
  return element.type !== 'StaticBlock' && element.key.type === 'PrivateIdentifier'
}

function checkUse(
  use: PrivateUse,
  info: ClassInfo,
  elements: readonly PrivateElement[],
  {
    findings,
    insertions,
    edits,
  }: { readonly findings: Findings; readonly insertions: Insertions; readonly edits: Edits },
): void {
  if (use.member === undefined) return
  const named = elements.filter(({ key }) => key.type === 'PrivateIdentifier' && key.name === use.name)
  if (named.some((element) => element.type === 'MethodDefinition' && element.kind === 'method')) {
    // The method is one function object for all instances; as a value it could be given properties.
    const isCalled = use.parent?.type === 'CallExpression' && use.parent.callee === use.member
    if (!isCalled) findings.fresh(use.node.start, `the private method \`#${use.name}\` is used as a value.`)
    return
  }
  const field = named.find((element) => element.type === 'PropertyDefinition')
  if (use.write === undefined || field === undefined) return
  if (isInitialWrite(use, info, field)) {
    if (use.write.form === 'assign') keepAssigned(use.write.node, edits)
    return
  }
  const text = `the private field \`#${use.name}\` is changed after construction.`
  const reason = findings.describe(use.node.start, text)
  if (!field.static) {
    insertions.add(insertions.inClass, info.node, `#__concave_state=__concave_stateful(${JSON.stringify(reason)});`)
  } else if (isModuleCode(info.unit)) {
    findings.fresh(use.node.start, text)
  } else {
    insertions.add(insertions.inClass, info.node, `static{__concave_stateful(${JSON.stringify(reason)})}`)
  }
}

/** `this.#name = value` in the constructor itself, where `this` is an object just made. */
function isInitialWrite(
  { unit, member, write }: PrivateUse,
  { node, home }: ClassInfo,
  field: PrivateElement,
): boolean {
  if (member === undefined || field.static || node.superClass != null) return false
  return unit.isConstructor && unit.home === home && write?.form === 'assign' && isThis(member.object)
}

const isModuleCode = (unit: Unit): boolean => unit.kind === 'module'

function keepValue(element: PrivateElement, value: AnyNode, index: number, edits: Edits): void {
  if (!isAnonymousDefinition(value)) {
    keepRange(edits, value)
    return
  }
  if (element.key.type !== 'PrivateIdentifier') return
  const kept = `__concave_keep(this.#${element.key.name})`
  edits.enclose(
    element.start,
    element.end,
    '',
    element.static ? `;static{${kept}}` : `;#__concave_kept${index}=${kept};`,
  )
}
