/**
 * Shows the isolate every error that a `try` statement or a promise stops; handlers of rejections show theirs themselves. A write to something frozen throws where a fresh context
 * would go on; code that survives the error would answer differently, and only the isolate can tell.
 */
import type { AnyNode } from 'acorn'
import type { Edits } from './edits.ts'
import type { Analysis } from './scope-model.ts'
import { childNodes } from './syntax.ts'

const name = '__concave_error'
const note = `__concave_caught(${name});`

/** `globals`: references to nothing that the module declares. */
export function showCaughtErrors({ program, globals }: Analysis, edits: Edits): void {
  for (const { node, parent } of globals) if (node.name === 'Promise') showExecutor(node, parent, edits)
  const pending: AnyNode[] = [program]
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.type === 'TryStatement') showCaught(node, edits)
    pending.push(...childNodes(node))
  }
}

/** A promise that is resolved already takes no notice of what its executor throws. */
function showExecutor(node: AnyNode, parent: AnyNode | undefined, edits: Edits): void {
  if (parent?.type !== 'NewExpression' || parent.callee !== node) return
  const [executor] = parent.arguments
  if (executor === undefined || executor.type === 'SpreadElement') return
  edits.enclose(executor.start, executor.end, '__concave_watch(', ')')
}

function showCaught({ block, handler, finalizer }: Extract<AnyNode, { type: 'TryStatement' }>, edits: Edits): void {
  if (handler == null) {
    // The finalizer may end in a `return`, which discards the error.
    if (finalizer != null) edits.enclose(block.start, block.end, '', `catch(${name}){${note}throw ${name}}`)
    return
  }
  const { param, body } = handler
  if (param == null) {
    edits.enclose(body.start, body.end, `(${name})`, '')
    edits.enclose(body.start + 1, body.end - 1, note, '')
  } else if (param.type === 'Identifier') {
    edits.enclose(body.start + 1, body.end - 1, `__concave_caught(${param.name});`, '')
  } else {
    // `catch({a}){…}` becomes `catch(error){…;let {a}=(error);{…}}`: the body keeps a scope of its own.
    edits.enclose(param.start, handler.end, `${name}){${note}let `, '}')
    edits.enclose(param.start, param.end, '', `=(${name}`)
    edits.enclose(body.start, body.end, ';', '')
  }
}
