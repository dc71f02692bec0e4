/**
 * Names such as `amber-otter-417`. The command line takes a selector for a deployment name only if it matches
 * `^[a-z]+-[a-z]+-[0-9]+$`, and gives names starting with `local-` and `anonymous-` a meaning of their own.
 */
import { assert, type Random } from '@concave/base'

export const deploymentNamePattern = /^[a-z]+-[a-z]+-[0-9]+$/

const adjectives = (
  'agile amber ample ardent balmy bold bonny brave breezy bright brisk bronze calm candid cheery chief civil clear ' +
  'clever cobalt cosmic cozy crisp curious daring deft dapper eager early earnest easy elegant fabled fair fancy fast ' +
  'fearless fine fleet fluent fond frank fresh friendly frosty gallant gentle gifted glad gleaming golden good grand ' +
  'hardy hearty helpful honest humble ideal jade jolly jovial joyous keen kind lively loyal lucid lucky lunar mellow ' +
  'merry mighty mild misty modest neat nimble noble patient perky placid plucky polite proud quick quiet rapid ready ' +
  'robust rosy royal sage scarlet serene sharp silver sincere sleek smart snowy solar solid spry stellar sturdy sunny ' +
  'swift tidy tranquil true upbeat valiant velvet vivid warm wise witty zesty'
).split(' ')

const animals = (
  'albatross alpaca antelope armadillo badger barracuda bat bear beaver bison bobcat buffalo butterfly camel caribou ' +
  'cat chamois cheetah chipmunk cormorant cougar coyote crane cricket crow deer dingo dolphin dormouse dove dragonfly ' +
  'duck eagle egret eland elk ermine falcon ferret finch flamingo fox frog gazelle gecko gerbil gibbon giraffe goat ' +
  'goose gopher grouse gull hamster hare hawk hedgehog heron hippo horse hound hummingbird ibex ibis iguana impala ' +
  'jackal jaguar jay kestrel kingfisher kiwi koala kudu lapwing lark lemur leopard lion lizard llama lobster lynx ' +
  'magpie mallard manatee marmot marten meerkat mink mole mongoose moose mule narwhal newt ocelot octopus okapi osprey ' +
  'otter owl panda panther parrot pelican penguin pheasant pika plover puffin quail rabbit raccoon raven robin salmon ' +
  'seal shrew skylark sparrow squirrel starling stoat stork swallow swan tapir tern tiger toucan trout turtle viper ' +
  'vole walrus weasel whale wolf wombat wren yak zebra'
).split(' ')

const firstNumber = 100
const numberCount = 900

/** A random name; whether it is free is for the caller to find out. */
export function createDeploymentName(random: Random): string {
  const adjective = pick(adjectives, random)
  const animal = pick(animals, random)
  return `${adjective}-${animal}-${firstNumber + pickBelow(numberCount, random)}`
}

function pick(words: readonly string[], random: Random): string {
  const word = words[pickBelow(words.length, random)]
  assert(word !== undefined, 'A word list is not empty.')
  return word
}

/** Uniform enough for names: 32 bits over a small range. */
function pickBelow(bound: number, random: Random): number {
  return Buffer.from(random.bytes(4)).readUInt32BE(0) % bound
}
