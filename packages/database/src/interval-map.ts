/**
 * Which values hold an interval that contains a key: points in a hash map, ranges in a treap by start, each node knowing
 * the greatest end below it. Equal intervals share a node. Adding and removing are O(log n), a lookup is
 * O(log n + answers).
 */
import { bytesCompare } from '@concave/base'
import type { KeyRange } from '@concave/storage'
import { compareEnds, isSingleKey } from './read-set.ts'
import { nameOf } from './versioned-map.ts'

type Node<T> = {
  readonly range: KeyRange
  readonly priority: number
  readonly values: Set<T>
  left: Node<T> | undefined
  right: Node<T> | undefined
  /** Greatest end of this node and all below it. */
  maxTo: Uint8Array | undefined
}

export class IntervalMap<T> {
  readonly #points = new Map<string, Set<T>>()
  #root: Node<T> | undefined
  #seed = 0x9e3779b9

  get isEmpty(): boolean {
    return this.#points.size === 0 && this.#root === undefined
  }

  add(range: KeyRange, value: T): void {
    if (!isSingleKey(range)) {
      this.#root = this.#insert(this.#root, range, value)
      return
    }
    const name = nameOf(range.from)
    const values = this.#points.get(name)
    if (values === undefined) this.#points.set(name, new Set([value]))
    else values.add(value)
  }

  /** Removes what `add` with an equal range added. */
  remove(range: KeyRange, value: T): void {
    if (!isSingleKey(range)) {
      this.#root = removeFrom(this.#root, range, value)
      return
    }
    const name = nameOf(range.from)
    const values = this.#points.get(name)
    values?.delete(value)
    if (values?.size === 0) this.#points.delete(name)
  }

  /** Calls `visit` for every value with an interval that contains `key`, once per such interval. */
  forEachContaining(key: Uint8Array, visit: (value: T) => void): void {
    for (const value of this.#points.get(nameOf(key)) ?? []) visit(value)
    visitContaining(this.#root, key, visit)
  }

  #insert(node: Node<T> | undefined, range: KeyRange, value: T): Node<T> {
    if (node === undefined) {
      const values = new Set([value])
      return { range, priority: this.#nextPriority(), values, left: undefined, right: undefined, maxTo: range.to }
    }
    const order = compareRanges(range, node.range)
    if (order === 0) {
      node.values.add(value)
      return node
    }
    if (order < 0) {
      const left = this.#insert(node.left, range, value)
      node.left = left
      if (left.priority > node.priority) return rotateRight(node, left)
    } else {
      const right = this.#insert(node.right, range, value)
      node.right = right
      if (right.priority > node.priority) return rotateLeft(node, right)
    }
    updateMaxTo(node)
    return node
  }

  /** Xorshift: balance needs spread, not secrecy, and the same run gives the same tree. */
  #nextPriority(): number {
    this.#seed ^= this.#seed << 13
    this.#seed ^= this.#seed >>> 17
    this.#seed ^= this.#seed << 5
    return this.#seed
  }
}

function visitContaining<T>(node: Node<T> | undefined, key: Uint8Array, visit: (value: T) => void): void {
  if (node === undefined || endsBefore(node.maxTo, key)) return
  visitContaining(node.left, key, visit)
  if (bytesCompare(node.range.from, key) > 0) return
  if (!endsBefore(node.range.to, key)) for (const value of node.values) visit(value)
  visitContaining(node.right, key, visit)
}

function endsBefore(to: Uint8Array | undefined, key: Uint8Array): boolean {
  return to !== undefined && bytesCompare(to, key) <= 0
}

function removeFrom<T>(node: Node<T> | undefined, range: KeyRange, value: T): Node<T> | undefined {
  if (node === undefined) return undefined
  const order = compareRanges(range, node.range)
  if (order === 0) {
    node.values.delete(value)
    return node.values.size === 0 ? join(node.left, node.right) : node
  }
  if (order < 0) node.left = removeFrom(node.left, range, value)
  else node.right = removeFrom(node.right, range, value)
  updateMaxTo(node)
  return node
}

/** One tree of two, all of `left` before all of `right`. */
function join<T>(left: Node<T> | undefined, right: Node<T> | undefined): Node<T> | undefined {
  if (left === undefined) return right
  if (right === undefined) return left
  const root = left.priority > right.priority ? left : right
  if (root === left) left.right = join(left.right, right)
  else right.left = join(left, right.left)
  updateMaxTo(root)
  return root
}

function rotateRight<T>(node: Node<T>, left: Node<T>): Node<T> {
  node.left = left.right
  left.right = node
  updateMaxTo(node)
  updateMaxTo(left)
  return left
}

function rotateLeft<T>(node: Node<T>, right: Node<T>): Node<T> {
  node.right = right.left
  right.left = node
  updateMaxTo(node)
  updateMaxTo(right)
  return right
}

function updateMaxTo<T>(node: Node<T>): void {
  let { to } = node.range
  if (node.left !== undefined && compareEnds(node.left.maxTo, to) > 0) to = node.left.maxTo
  if (node.right !== undefined && compareEnds(node.right.maxTo, to) > 0) to = node.right.maxTo
  node.maxTo = to
}

function compareRanges(a: KeyRange, b: KeyRange): number {
  return bytesCompare(a.from, b.from) || compareEnds(a.to, b.to)
}
