/** Limits of the runtime (function-runtime.md §5) and of its processes. */
export const runtimeLimits = {
  /** User code of one query or mutation; host calls excluded. */
  userTimeMs: 1_000,
  /** Wall time of user code at which a call is ended even if a starved machine gave it no processor. */
  userWallCapMs: 8_000,
  /** Host calls of one query or mutation. */
  systemTimeMs: 15_000,
  /** User code of one module while a push is analyzed. */
  analysisTimeMs: 4_000,
  /** Heap that developers are told. */
  heapMb: 64,
  /** Room in the same heap for our globals and waiting contexts. */
  heapOverheadMb: 32,
  /** Data a runner may add to what it has after start: a full heap, and texts of 22 MiB on their way out of it. */
  dataGrowthBytes: 384 * 1024 * 1024,
  /** A runner that does not answer its first frame by then is replaced. */
  startTimeMs: 15_000,
  /** From a runner: a result or arguments of 16 MiB, as JSON with escapes, and logs. */
  maxFrameBytes: 128 * 1024 * 1024,
  /** Versions of code, and of environments, that one runner keeps: every component has its own. */
  loadedVersions: 48,
  /** Characters of these together; one that is larger stands alone. */
  loadedText: 48 * 1024 * 1024,
  /** Generic runners that wait for a deployment. */
  warmRunners: 2,
  /** A call that has run for so long lets waiting ones go to a further runner. */
  spillAfterMs: 20,
  /** A runner without work for so long makes a context ahead; sooner, that could be in the next call's way. */
  prepareAfterIdleMs: 2,
  maxRunnersPerLane: 2,
  /** Calls that are sent to a runner before their turns. */
  maxSentAhead: 8,
  maxQueuedPerLane: 512,
  /** A deployment without calls for so long gives its runners up. */
  idleTimeoutMs: 60_000,
  /** Generic action runners that wait for a deployment, once any has run an action. */
  warmActionRunners: 1,
  /** Processes that run the actions of one deployment, and actions that share one when all are taken. */
  maxActionRunners: 8,
  maxActionsPerRunner: 8,
  maxQueuedActions: 512,
  /** An action that gets no runner for so long is refused. */
  actionPatienceMs: 10_000,
  /** From the start of an action to its end. */
  actionTimeMs: 1_800_000,
  /** Syscalls of one action, all in all; functions that it calls have limits of their own. */
  actionSystemTimeMs: 300_000,
  /** Of an action that shares its process: how long it may compute without giving way. */
  sharedTurnMs: 10_000,
  /** A runner that has not ended an action so long after it was told to is killed. */
  endActionMs: 500,
  /** Syscalls of one action that are answered at the same time; further ones wait. */
  parallelActionSyscalls: 8,
  /** Operations of one action that are under way; its isolate refuses earlier. */
  maxActionOperations: 2_000,
  /** Arguments of those, as text; one that is too much is refused. */
  maxActionOperationText: 128 * 1024 * 1024,
  /** Data that an action's isolate may add to a process that others share. */
  actionDataBytes: 128 * 1024 * 1024,
  /** From the start of a Node action to its end (function-runtime.md §3.8). */
  nodeActionTimeMs: 600_000,
  /** Memory of a process of Node actions, which those that run in it share. */
  nodeMemoryMb: 512,
  /** What Node takes before any user code. */
  nodeBaseMemoryMb: 64,
  /** Processes that run the Node actions of one deployment, and actions in one. */
  maxNodeProcesses: 4,
  maxActionsPerNodeProcess: 16,
  /** How often a process with actions is looked at, and how long it may compute before new actions go elsewhere. */
  nodeWatchMs: 250,
  nodeStuckMs: 2_000,
  /** How long one action may compute without giving way while others wait in its process. */
  nodeSharedTurnMs: 30_000,
  /** Private memory that such a process, and each that it starts, may reserve above what it has at start. */
  nodeDataBytes: 2 * 1024 * 1_048_576,
  /** Files of one process, in its temporary folder. */
  maxNodeTemporaryBytes: 1024 * 1_048_576,
  /** Answers that wait for such a process to take them. */
  maxNodeBacklogBytes: 512 * 1_048_576,
  /** Connections and names that the supervisor is asked for at the same time. */
  maxNodeConnecting: 256,
  /** Log lines of one Node action, with the one that says so when it has used them up. */
  maxNodeLogLines: 257,
  /** How often a Node action that no process has begun is given to another. */
  maxNodeReturns: 3,
  /** All modules of a push, evaluated in Node. */
  nodeAnalysisTimeMs: 30_000,
  /** One run of npm, for a push that asks for packages or a version of Node. */
  npmInstallMs: 180_000,
  /** External packages of one push, unpacked. */
  maxExternalPackagesBytes: 512 * 1_048_576,
  /** What no deployment uses is kept for so long: a push may be about to. */
  unusedPackagesMs: 3_600_000,
  /** Heap of the process that makes the requests of actions, and a frame of its: a piece, or a response's head. */
  egressHeapMb: 256,
  maxEgressFrameBytes: 1_048_576,
  maxFetchUrlLength: 65_536,
  /** Standard error of a runner that is kept for the log. */
  stderrTailBytes: 4_096,
} as const
