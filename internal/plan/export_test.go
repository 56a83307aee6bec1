package plan

// HdrSlots is the offset of the slots in a block.
const HdrSlots = hdrSlots
