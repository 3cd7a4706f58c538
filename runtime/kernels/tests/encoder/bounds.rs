//! No kernel reads or writes beyond what it is given: everything ends where a page ends, or begins where one begins,
//! beside a page that must not be touched. Whoever does is killed.

use core::marker::PhantomData;
use core::ptr;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use typecase_kernels::encoder::{
    Attention, LayerNorm, Matrix, Work, attention_work_len, exp_table, scalar, work_len,
};

use super::{Chance, Layer, SEED, bytes_of, others};

/// Enough for each part of each shape, and a multiple of every size of a page.
const ROOM: usize = 1 << 16;

/// Where numbers stand between two pages that must not be touched.
#[derive(Clone, Copy, Debug)]
enum Side {
    Begin,
    End,
}

/// Numbers beside a page that must not be touched.
struct Fenced<T> {
    /// Room between two pages of as many bytes.
    map: *mut u8,
    at: *mut T,
    len: usize,
    numbers: PhantomData<T>,
}

impl<T: Copy> Fenced<T> {
    fn new(numbers: &[T], side: Side) -> Self {
        let flags = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: new memory, which nobody else knows.
        let map = unsafe { mmap_anonymous(ptr::null_mut(), 3 * ROOM, flags, MapFlags::PRIVATE) }.unwrap();
        let map: *mut u8 = map.cast();
        for fence in [0, 2 * ROOM] {
            // SAFETY: a third of this memory, in which nothing stands.
            unsafe { mprotect(map.add(fence).cast(), ROOM, MprotectFlags::empty()) }.unwrap();
        }
        let bytes = size_of_val(numbers);
        assert!(bytes <= ROOM, "{bytes} bytes");
        let first = match side {
            Side::Begin => ROOM,
            Side::End => 2 * ROOM - bytes,
        };
        // SAFETY: within the memory; aligned, since the room is and the bytes are a multiple of the size.
        let at: *mut T = unsafe { map.add(first) }.cast();
        // SAFETY: as many numbers as fit there, and not those that are read.
        unsafe { at.copy_from_nonoverlapping(numbers.as_ptr(), numbers.len()) };
        Self { map, at, len: numbers.len(), numbers: PhantomData }
    }

    fn all(&self) -> &[T] {
        // SAFETY: so many were written there.
        unsafe { core::slice::from_raw_parts(self.at, self.len) }
    }

    fn all_mut(&mut self) -> &mut [T] {
        // SAFETY: so many were written there, and nobody else has them.
        unsafe { core::slice::from_raw_parts_mut(self.at, self.len) }
    }
}

impl<T> Drop for Fenced<T> {
    fn drop(&mut self) {
        // SAFETY: what was mapped, and no slice of it is left.
        unsafe { munmap(self.map.cast(), 3 * ROOM) }.unwrap();
    }
}

#[test]
fn matrices_stay_within_bounds() {
    let mut chance = Chance(SEED);
    let shapes = [1, 8, 15, 16, 17, 33, 40].into_iter().flat_map(|outputs| {
        let inputs = [1, 3, 4, 5, 8, 12, 15, 16, 17, 20, 33, 64];
        inputs.into_iter().flat_map(move |inputs| (0..=13).map(move |rows| (rows, inputs, outputs)))
    });
    for (rows, inputs, outputs) in shapes {
        let layer = Layer::new(&mut chance, inputs, outputs);
        let input = chance.bytes(rows * inputs, 0, 255);
        let table: [u8; 256] = chance.bytes(256, 0, 255).try_into().unwrap();
        let len = rows * outputs;
        let (mut wide, mut narrow, mut looked_up) = (vec![0; len], vec![0; len], vec![0; len]);
        scalar::linear_i16(&input, rows, &layer.matrix(), &mut wide);
        scalar::linear_i8(&input, rows, &layer.matrix(), &mut narrow);
        scalar::linear_table(&input, rows, &layer.matrix(), &table, &mut looked_up);
        for side in [Side::Begin, Side::End] {
            let input = Fenced::new(&input, side);
            let weights = Fenced::new(&layer.weights, side);
            let [bias, sums] = [&layer.bias, &layer.sums].map(|part| Fenced::new(part, side));
            let shifts = Fenced::new(&layer.shifts, side);
            let multipliers = Fenced::new(&layer.multipliers, side);
            let table = Fenced::new(&[table], side);
            let matrix = Matrix {
                inputs,
                outputs,
                weights: weights.all(),
                bias: bias.all(),
                sums: sums.all(),
                shifts: shifts.all(),
                multipliers: multipliers.all(),
            };
            let mut words = Fenced::new(&vec![0xA5A5_A5A5_A5A5_A5A5; work_len(inputs, rows)], side);
            let mut found_wide = Fenced::new(&vec![1i16; len], side);
            let mut found = Fenced::new(&vec![1u8; len], side);
            for cpu in others() {
                let shape = format!("{cpu}: {rows} x {inputs} x {outputs}, {side:?}");
                let mut work = Work { words: words.all_mut(), weights: &mut [] };
                cpu.linear_i16(input.all(), rows, &matrix, &mut work, found_wide.all_mut());
                assert_eq!(found_wide.all(), wide, "{shape}, wide");
                cpu.linear_i8(input.all(), rows, &matrix, &mut work, found.all_mut());
                assert_eq!(found.all(), narrow, "{shape}, narrow");
                cpu.linear_table(input.all(), rows, &matrix, &table.all()[0], &mut work, found.all_mut());
                assert_eq!(found.all(), looked_up, "{shape}, table");
            }
        }
    }
}

#[test]
fn layer_norms_stay_within_bounds() {
    let mut chance = Chance(SEED);
    let widths = [4, 8, 12, 16, 20, 24, 32, 40, 48, 80, 384];
    for (rows, width) in widths.into_iter().flat_map(|width| (1..=4).map(move |rows| (rows, width))) {
        let stream = chance.words(rows * width, -3000, 3000);
        let others_of = [Vec::new(), chance.words(rows * width, -3000, 3000)];
        let mut part = || bytes_of(&chance.words(width, -32_767, 32_767), |n| n.to_le_bytes());
        let parts = [part(), part(), part(), part()];
        for (other, side) in others_of.iter().flat_map(|other| [(other, Side::Begin), (other, Side::End)]) {
            let fenced = parts.each_ref().map(|part| Fenced::new(part, side));
            let [gain, offset, gain_narrow, offset_narrow] = fenced.each_ref().map(Fenced::all);
            let norm = LayerNorm { gain, offset, gain_narrow, offset_narrow, extra: 3 };
            let (mut expected, mut narrow) = (stream.clone(), vec![0; rows * width]);
            scalar::add_layer_norm(&mut expected, other, width, &norm, &mut narrow);
            let other = Fenced::new(other, side);
            for cpu in others() {
                let mut stream = Fenced::new(&stream, side);
                let mut found = Fenced::new(&vec![1u8; rows * width], side);
                cpu.add_layer_norm(stream.all_mut(), other.all(), width, &norm, found.all_mut());
                assert_eq!(stream.all(), expected, "{cpu}: {rows} x {width}, {side:?}, wide");
                assert_eq!(found.all(), narrow, "{cpu}: {rows} x {width}, {side:?}, narrow");
            }
        }
    }
}

#[test]
fn attention_stays_within_bounds() {
    let mut chance = Chance(SEED);
    let shapes = [(1, 4), (1, 16), (2, 32), (1, 48)].into_iter();
    for ((heads, channels), tokens) in shapes.flat_map(|shape| (0..=40).map(move |tokens| (shape, tokens))) {
        let qkv = chance.bytes(tokens * 3 * heads * channels, -127, 127);
        let numbers = Attention { heads, channels, factor: 400, shift: 18, exp: exp_table() };
        let mut expected = vec![0; tokens * heads * channels];
        scalar::attention(&qkv, tokens, &numbers, &mut vec![0; tokens], &mut expected);
        for side in [Side::Begin, Side::End] {
            let qkv = Fenced::new(&qkv, side);
            let exp = Fenced::new(&[*exp_table()], side);
            let numbers = Attention { exp: &exp.all()[0], ..numbers };
            let len = attention_work_len(tokens, channels);
            let mut words = Fenced::new(&vec![0xA5A5_A5A5_A5A5_A5A5; len], side);
            let mut weights = Fenced::new(&vec![1u8; tokens], side);
            let mut found = Fenced::new(&vec![1u8; expected.len()], side);
            for cpu in others() {
                let mut work = Work { words: words.all_mut(), weights: weights.all_mut() };
                cpu.attention(qkv.all(), tokens, &numbers, &mut work, found.all_mut());
                assert_eq!(found.all(), expected, "{cpu}: {tokens} tokens, {heads} x {channels}, {side:?}");
            }
        }
    }
}
