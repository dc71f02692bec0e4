/**
 * The program of a runner of actions: a disposable process that runs the actions of one deployment, each in an isolate
 * of its own. There is no event loop here either: an action runs in turns (a start, an answer, a timer), and between two
 * turns the process waits for the next frame. Timers, files and the network are the supervisor's.
 */
import { BlockingChannel } from '../../runner/blocking-channel.ts'
import { readBoot } from '../../runner/boot.ts'
import { CodeStore } from '../../runner/code-store.ts'
import { runtimeLimits } from '../../limits.ts'
import { frameKinds, type Frame, type LoadCodeHeader } from '../../protocol.ts'
import { readDataBytes } from '../../sandbox/data-limit.ts'
import { enterSandbox } from '../../sandbox/enter-sandbox.ts'
import type { ActionStart } from '../action-frames.ts'
import { ActionIsolates } from './action-isolates.ts'
import { ActionRun } from './action-run.ts'

const channelFd = 3

const channel = new BlockingChannel(channelFd)
const store = new CodeStore()
const runs = new Map<string, ActionRun>()

const { options, snapshot, snapshotText } = readBoot(channel)
const dataBeforeBytes = readDataBytes() ?? 0
const isolates = new ActionIsolates({ snapshot, memoryMb: options.isolateMemoryMb })
const { ready, dataLimit } = enterSandbox({
  sandbox: options.sandbox,
  growthBytes: options.dataGrowthBytes,
  isolateBytes: (readDataBytes() ?? 0) - dataBeforeBytes + runtimeLimits.actionDataBytes,
  furtherIsolates: runtimeLimits.maxActionsPerRunner,
})
isolates.onGrowth = () => dataLimit?.allowIsolate()
channel.send(frameKinds.ready, [JSON.stringify(ready), snapshotText()])

for (;;) {
  handle(channel.read())
  isolates.keepSpare(runs.size)
}

function handle(frame: Frame): void {
  const [first = '', second = '', third = '', ...rest] = frame.texts
  switch (frame.kind) {
    case frameKinds.loadCode:
      store.loadCode(JSON.parse(first) as LoadCodeHeader, frame.texts.slice(1))
      return
    case frameKinds.dropCode:
      store.dropCode(first)
      return
    case frameKinds.loadEnv:
      store.loadEnv(first, second)
      return
    case frameKinds.dropEnv:
      store.dropEnv(first)
      return
    case frameKinds.startAction:
      start(first, JSON.parse(second) as ActionStart, third)
      return
    case frameKinds.deliver:
      runs.get(first)?.deliver(Number(second), third === '1', rest[0] ?? '', rest[1] ?? '')
      return
    case frameKinds.wake:
      runs.get(first)?.wake()
      return
    case frameKinds.abortRequest:
      runs.get(first)?.abortRequest()
      return
    case frameKinds.endAction:
      runs.get(first)?.end()
      return
    default:
      throw new Error(`Unexpected frame kind ${frame.kind}.`)
  }
}

function start(id: string, header: ActionStart, text: string): void {
  const run = new ActionRun({
    id,
    header,
    channel,
    code: store.getCode(header.codeVersion),
    envJson: store.getEnv(header.envVersion),
    fresh: isolates.take(runs.size),
    isShared: () => runs.size > 1,
    onEnded: () => runs.delete(id),
  })
  runs.set(id, run)
  run.start(text)
}
