
// The head: ReLU, shift, a dense layer of 8-bit weights. The lanes of a class stand side by side.
@group(0) @binding(3) var<storage, read_write> scores: array<i32>;

@compute @workgroup_size(INVOCATIONS)
fn dense(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let label = group.x * (INVOCATIONS / HEAD_LANES) + local / HEAD_LANES;
    let lane = local % HEAD_LANES;
    var sum = 0i;
    if label < CLASSES {
        let row = HEAD_WEIGHTS_AT + label * WIDTH;
        for (var column = lane; column < WIDTH; column += HEAD_LANES) {
            sum += (max(sums[column], 0i) >> HEAD_SHIFT) * signed_byte(byte_at(row + column));
        }
    }
    parts[local] = sum;
    for (var reach = HEAD_LANES / 2u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if lane < reach {
            parts[local] += parts[local + reach];
        }
    }
    if lane == 0u && label < CLASSES {
        scores[label] = parts[local] + normed_bias(HEAD_BIAS_AT + 4u * label);
    }
}
