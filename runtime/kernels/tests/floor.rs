//! The plain products that the matrices are held against are products.

use typecase_kernels::encoder::Matrix;
use typecase_kernels::floor::Floor;

/// Numbers that look random.
fn byte(at: usize) -> u8 {
    (at as u32).wrapping_mul(0x9E37_79B1).wrapping_add(0x85EB_CA6B).to_be_bytes()[0]
}

#[test]
fn plain_products_are_those_of_plain_loops() {
    if Floor::detect().is_none() {
        eprintln!("SKIPPED: plain products: no loop for this processor");
        return;
    }
    let mut wrong = Vec::new();
    for floor in Floor::all() {
        for (rows, inputs, outputs) in
            [(1, 4, 16), (2, 8, 32), (3, 12, 48), (5, 32, 64), (6, 384, 80), (13, 64, 144)]
        {
            let input: Vec<u8> = (0..rows * inputs).map(byte).collect();
            let mut weights = vec![0; Matrix::packed_len(inputs, outputs)];
            for (at, weight) in weights.iter_mut().enumerate() {
                *weight = byte(at + 7);
            }
            let weight = |output, k| weights[Matrix::packed_at(inputs, output, k)].cast_signed();
            let sum = |row: usize, output: usize| -> i32 {
                let products =
                    (0..inputs).map(|k| i32::from(input[row * inputs + k]) * i32::from(weight(output, k)));
                products.sum()
            };
            let expected: Vec<i32> = (0..rows)
                .flat_map(|row| (0..outputs).map(move |output| (row, output)))
                .map(|(r, o)| sum(r, o))
                .collect();
            let matrix = Matrix {
                inputs,
                outputs,
                weights: &weights,
                bias: &[],
                sums: &[],
                shifts: &[],
                multipliers: &[],
            };
            let mut work = vec![0; Floor::work_len(inputs, rows)];
            let mut sums = vec![-1; rows * outputs];
            floor.prepare(&input, rows, inputs, &mut work);
            floor.multiply(&work, rows, &matrix, &mut sums);
            if sums != expected {
                wrong.push((floor.name(), rows, inputs, outputs));
            }
        }
        assert!(
            floor.registers(10) > 10 && floor.registers(20) == 2 * floor.registers(10),
            "{}",
            floor.name()
        );
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
