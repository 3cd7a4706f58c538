// The program of a bag in 32-bit integers: multiply, add, shift and compare alone, which every GPU does exactly.
// `kernel.rs` writes the constants in capitals above this text. All places (`.._AT`) are bytes of the section.

// The section of the case as it stands in the file, padded to whole words, which are little-endian.
@group(0) @binding(0) var<storage, read> section: array<u32>;
// The text: how many ids, the factor of the norm, the ids.
@group(0) @binding(1) var<storage, read> text: array<u32>;
// The sums, one a column; without a head they are the scores.
@group(0) @binding(2) var<storage, read_write> sums: array<i32>;

var<workgroup> parts: array<i32, INVOCATIONS>;

fn byte_at(place: u32) -> u32 {
    return (section[place >> 2u] >> ((place & 3u) * 8u)) & 255u;
}

// Two's complement of 8 bits.
fn signed_byte(bits: u32) -> i32 {
    return i32(bits ^ 128u) - 128;
}

fn weight_of(id: u32, column: u32) -> i32 {
    let row = WEIGHTS_AT + id * ROW_BYTES;
    if WEIGHT_BITS == 8u {
        return signed_byte(byte_at(row + column));
    }
    // Two in a byte, low half first.
    let bits = (byte_at(row + (column >> 1u)) >> ((column & 1u) * 4u)) & 15u;
    return i32(bits ^ 8u) - 8;
}

fn scale_of(id: u32) -> i32 {
    if SCALE_BITS == 8u {
        return i32(byte_at(SCALES_AT + id));
    }
    if SCALE_BITS == 2u {
        // Four codes in a byte, lowest bits first.
        return 1i << ((byte_at(SCALES_AT + (id >> 2u)) >> ((id & 3u) * 2u)) & 3u);
    }
    return 1;
}

// A bias times the norm, rounded down.
fn normed_bias(place: u32) -> i32 {
    return (bitcast<i32>(section[place >> 2u]) * bitcast<i32>(text[1])) >> NORM_SHIFT;
}

// Each invocation adds every `SUM_LANES`-th row of one column; then the lanes of a column are added in a tree.
@compute @workgroup_size(INVOCATIONS)
fn sum_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let column = group.x * COLUMNS + local % COLUMNS;
    var sum = 0i;
    if column < WIDTH {
        let count = text[0];
        for (var index = local / COLUMNS; index < count; index += SUM_LANES) {
            let id = text[2u + index];
            if id < ROWS {
                sum += scale_of(id) * weight_of(id, column);
            }
        }
    }
    parts[local] = sum;
    for (var reach = SUM_LANES / 2u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if local < reach * COLUMNS {
            parts[local] += parts[local + reach * COLUMNS];
        }
    }
    if local < COLUMNS && column < WIDTH {
        sums[column] = parts[local] + normed_bias(BIAS_AT + 4u * column);
    }
}
