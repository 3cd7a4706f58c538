//! Cases with an encoder: the engine against the operators of the specification, every kernel, damaged sections.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::collections::BTreeSet;

use typecase_case::sections::encoder::{Encoder, EncoderPooling, MatrixPart, NormPart};
use typecase_engine::{Case, Cpu, Error, FormatError, Integrity, Kind, Memory, Session};
use typecase_kernels::encoder::{Attention, LayerNorm, Matrix, exp_table, scalar};
use typecase_tests::{CaseParts, GOLDEN_TEXTS, Scratch, encoder, put, seal};

const POOLINGS: [EncoderPooling; 2] = [EncoderPooling::Mean, EncoderPooling::First];

fn matrix<'a>(part: &MatrixPart<'a>) -> Matrix<'a> {
    Matrix {
        inputs: part.inputs,
        outputs: part.outputs,
        weights: part.weights,
        bias: part.bias,
        sums: part.sums,
        shifts: part.shifts,
        multipliers: part.multipliers,
    }
}

fn norm<'a>(part: &NormPart<'a>) -> LayerNorm<'a> {
    LayerNorm {
        gain: part.gain,
        offset: part.offset,
        gain_narrow: part.gain_narrow,
        offset_narrow: part.offset_narrow,
        extra: part.extra,
    }
}

/// The scores of a text, by the specification alone: every buffer its own.
fn specified(encoder: &Encoder<'_>, ids: &[u32]) -> Vec<i32> {
    let shape = encoder.shape;
    let (width, inner, tokens) = (shape.width(), usize::from(shape.inner), ids.len());
    let embedding = encoder.embedding().unwrap();
    let mut stream = vec![0i16; tokens * width];
    for (token, id) in ids.iter().enumerate() {
        let id = *id as usize;
        scalar::embed(
            &embedding.rows[id * width..(id + 1) * width],
            embedding.multipliers[id],
            &embedding.positions[token * width..(token + 1) * width],
            &mut stream[token * width..(token + 1) * width],
        );
    }
    let mut narrow = vec![0; tokens * width];
    scalar::add_layer_norm(&mut stream, &[], width, &norm(&embedding.norm), &mut narrow);
    for number in 0..shape.layers {
        let layer = encoder.layer(number).unwrap();
        let mut qkv = vec![0; tokens * 3 * width];
        scalar::linear_i8(&narrow, tokens, &matrix(&layer.qkv), &mut qkv);
        let numbers = Attention {
            heads: shape.heads.into(),
            channels: shape.channels.into(),
            factor: layer.factor,
            shift: layer.shift,
            exp: exp_table(),
        };
        let mut context = vec![0; tokens * width];
        scalar::attention(&qkv, tokens, &numbers, &mut vec![0; tokens], &mut context);
        let mut other = vec![0; tokens * width];
        scalar::linear_i16(&context, tokens, &matrix(&layer.output), &mut other);
        scalar::add_layer_norm(&mut stream, &other, width, &norm(&layer.norm), &mut narrow);
        let mut hidden = vec![0; tokens * inner];
        scalar::linear_table(&narrow, tokens, &matrix(&layer.inner), layer.table, &mut hidden);
        scalar::linear_i16(&hidden, tokens, &matrix(&layer.outer), &mut other);
        scalar::add_layer_norm(&mut stream, &other, width, &norm(&layer.norm_outer), &mut narrow);
    }
    let mut pooled = vec![0; width];
    match shape.pooling {
        EncoderPooling::Mean => scalar::mean_pool(&stream, width, &mut pooled),
        EncoderPooling::First => pooled.copy_from_slice(&stream[..width]),
    }
    let head = encoder.head().unwrap();
    let mut scores = vec![0; shape.classes.into()];
    scalar::head(&pooled, shape.head_shift.into(), head.weights, head.bias, &mut scores);
    scores
}

fn texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = GOLDEN_TEXTS.iter().map(|text| text.to_vec()).collect();
    texts.extend((0..60).map(|n| format!("w{} x. w{} {}", n * 7 % 31, n, "w3 ".repeat(n % 9)).into_bytes()));
    texts
}

#[test]
fn the_engine_equals_the_specification_on_every_kernel() {
    for pooling in POOLINGS {
        let file = CaseParts::encoder(pooling).build();
        let case = Case::parse(file.as_slice()).unwrap();
        let section = case.sections().find(|section| section.record.kind == Kind::ENCODER).unwrap();
        let encoder = Encoder::parse(section.bytes).unwrap();
        let mut scratch = Scratch::of(&case);
        let mut different = BTreeSet::new();
        for text in texts() {
            let vector = scratch.vector(&case, &text);
            assert!(vector.ids.len() >= 2, "the special tokens are there");
            let expected = specified(&encoder, &vector.ids);
            different.insert(expected.clone());
            for cpu in Cpu::all() {
                let mut session = Scratch::of(&case);
                let on = case.clone().on(cpu);
                let mut session = Session::new(&on, session.memory()).unwrap();
                let verdict = session.classify(&text);
                assert_eq!(verdict.scores, expected, "{cpu}: {}", text.escape_ascii());
            }
        }
        assert!(different.len() > 20, "{} different scores", different.len());
        assert_eq!(case.verify(&mut scratch.memory()).unwrap(), 16);
    }
}

#[test]
fn a_session_needs_all_its_memory_and_no_more() {
    let file = encoder::minimal_case();
    let case = Case::parse(file.as_slice()).unwrap();
    let cost = case.cost();
    assert!(cost.tokens == 0 && cost.arena > 0 && cost.ids == 12 && cost.numbers == 3, "{cost:?}");
    let mut scratch = Scratch::of(&case);
    let memory = scratch.memory();
    let short = Memory { arena: &mut memory.arena[1..], ..memory };
    let error = Session::new(&case, short).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("memory for {} words of the arena, {} are needed", cost.arena - 1, cost.arena)
    );
}

#[test]
fn sections_that_do_not_fit_together_are_refused() {
    let good = CaseParts::encoder(EncoderPooling::Mean);
    let refused = |change: &dyn Fn(&mut CaseParts)| {
        let mut parts = good.clone();
        change(&mut parts);
        Case::parse(parts.build()).unwrap_err()
    };
    assert_eq!(
        refused(&|parts| parts.remove(Kind::TOKENIZER)),
        Error::Format(FormatError::MissingSection { section: Kind::TOKENIZER.0 })
    );
    let bag = CaseParts::minimal();
    let text = bag.sections.iter().find(|section| section.0 == Kind::TEXT).unwrap();
    let both = refused(&|parts| parts.sections.insert(1, text.clone()));
    assert!(both.to_string().contains("sections of a bag in a case with an encoder"), "{both}");
    let shape = Encoder::parse(&good.clone().section(Kind::ENCODER).clone()).unwrap().shape;
    let with = |shape| refused(&|parts| *parts.section(Kind::ENCODER) = encoder::section(&shape, 1));
    let fewer = typecase_engine::EncoderShape { rows: shape.rows - 1, ..shape };
    assert!(with(fewer).to_string().contains("ids of the tokenizer and rows of the encoder"));
    let shorter = typecase_engine::EncoderShape { positions: 11, ..shape };
    assert!(
        with(shorter).to_string().contains("tokens of a text and positions of the encoder: 12"),
        "{}",
        with(shorter)
    );
    let classes = typecase_engine::EncoderShape { classes: 2, ..shape };
    assert!(with(classes).to_string().contains("labels and classes"));
}

/// Whatever is done to the section: an error, or a verdict; never a panic, and no sum passes 32 bits (this is a build
/// that checks).
#[test]
fn damaged_sections_are_refused_or_run() {
    let good = encoder::minimal_case();
    let case = Case::parse(good.as_slice()).unwrap();
    let place = case.sections().position(|section| section.record.kind == Kind::ENCODER).unwrap();
    let section = case.sections().nth(place).unwrap().record;
    let (start, len) = (section.offset as usize, section.len as usize);
    let (mut accepted, mut refused) = (0, 0);
    // Every byte of the header, and one in nine of the others.
    for at in (0..64).chain((64..len).step_by(9)) {
        for flip in [1u8, 0x80, 0xFF] {
            let mut file = good.clone();
            file[start + at] ^= flip;
            match Case::parse_with(file.as_slice(), Integrity::Structure) {
                Err(_) => refused += 1,
                Ok(case) if at % 4 == 0 || at < 64 => {
                    accepted += 1;
                    let mut scratch = Scratch::of(&case);
                    let mut session = Session::new(&case, scratch.memory()).unwrap();
                    assert_eq!(session.classify(b"w1 w2 x. w13").scores.len(), 3);
                }
                Ok(_) => accepted += 1,
            }
            assert!(Case::parse(file.as_slice()).is_err());
        }
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}

#[test]
fn numbers_out_of_range_are_named() {
    let good = encoder::minimal_case();
    let case = Case::parse(good.as_slice()).unwrap();
    let index = case.sections().position(|section| section.record.kind == Kind::ENCODER).unwrap();
    let start = case.sections().nth(index).unwrap().record.offset as usize;
    let with = |at: usize, width: usize, value: u64| {
        let mut file = good.clone();
        put(&mut file, (start + at, width), value);
        seal(&mut file);
        Case::parse(file).unwrap_err().to_string()
    };
    for (at, width, value, expected) in [
        (0, 2, 0, "number of layers 0"),
        (0, 2, 49, "number of layers 49"),
        (2, 2, 0, "number of heads 0"),
        (4, 2, 33, "channels of a head 33"),
        (6, 2, 3, "inner width 3"),
        (8, 2, 0, "number of positions 0"),
        (10, 2, 1, "number of classes 1"),
        (12, 4, 0, "number of rows 0"),
        (16, 1, 2, "pooling 2"),
        (17, 1, 16, "shift of the pooled numbers 16"),
        (12, 4, 1 << 20, "encoder section ends too early"),
    ] {
        let message = with(at, width, value);
        assert!(message.contains(expected), "{message}, expected {expected}");
    }
}

#[test]
fn the_face_runs_an_encoder_on_the_kernels_that_are_asked_for() {
    let case = typecase::Case::from_bytes(encoder::minimal_case()).unwrap();
    let mut all = BTreeSet::new();
    for cpu in Cpu::all() {
        let options = typecase::Options { cpu: Some(cpu), ..typecase::Options::default() };
        let runnable = typecase::prepare(&case, &options).unwrap();
        let device = runnable.report().device;
        assert!(device.ends_with(&format!(", {cpu}")), "{device}");
        all.insert(runnable.session().classify("words").unwrap().scores.to_vec());
        assert_eq!(case.on(cpu).cpu().name(), cpu.name());
        assert_eq!(case.cpu().name(), Cpu::detect().name(), "the case that was lent stays as it is");
    }
    assert_eq!(all.len(), 1, "{all:?}");
}
