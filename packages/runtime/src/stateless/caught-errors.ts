/**
 * Shows the isolate every error that a `try` statement stops. A write to something frozen throws where a fresh context
 * would go on; code that survives the error would answer differently, and only the isolate can tell.
 */
import type { AnyNode, Program } from 'acorn'
import type { Edits } from './edits.ts'
import { childNodes } from './syntax.ts'

const name = '__concave_error'
const note = `__concave_caught(${name});`

export function showCaughtErrors(program: Program, edits: Edits): void {
  const pending: AnyNode[] = [program]
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.type === 'TryStatement') showCaught(node, edits)
    pending.push(...childNodes(node))
  }
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
