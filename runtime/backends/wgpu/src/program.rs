//! A case on a device, and one thread's way through it.

use std::sync::Arc;
use std::time::Duration;

use typecase_engine::backend::{Program, Scorer, Unavailable};
use typecase_engine::{BagShape, Case, Kind, Norm, Payload, Pooling};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages,
    CommandEncoderDescriptor, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor, Device,
};

use crate::gpu::{Gpu, Mapped};
use crate::kernel::{Kernel, WORDS_BEFORE_IDS};
use crate::{Wgpu, adapter};

/// A case that stands on a device.
#[derive(Clone, Debug)]
pub(crate) struct Prepared(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    // Freed before the device.
    sum_rows: ComputePipeline,
    dense: Option<ComputePipeline>,
    section: Buffer,
    gpu: Gpu,
    kernel: Kernel,
    shape: BagShape,
    max_ids: usize,
    #[cfg(feature = "inject-faults")]
    fault: Option<crate::Fault>,
}

/// Buffers of one thread.
#[derive(Debug)]
struct Lane {
    shared: Arc<Shared>,
    /// What the text's buffer is written with.
    text: Vec<u8>,
    text_buffer: Buffer,
    /// Where the device leaves the scores.
    output: Buffer,
    /// Where they are read.
    download: Buffer,
    mapped: Mapped,
    sum_group: BindGroup,
    dense_group: Option<BindGroup>,
    #[cfg(feature = "inject-faults")]
    calls: u32,
}

impl Prepared {
    pub(crate) fn new(engine: &Wgpu, case: &Case<&[u8]>) -> Result<Self, Unavailable> {
        let Payload::Bag(bag) = case.payload() else {
            let cause = "model of a kind that runs on no GPU, a bag does";
            return Err(Unavailable::new(cause, "use the native engine"));
        };
        let section = case.sections().find(|section| section.record.kind == Kind::BAG);
        let section = section.map(|section| section.bytes).unwrap_or_default();
        let section_bytes = (section.len() as u64).next_multiple_of(4);
        let adapter = adapter::find(engine.api)?;
        adapter::check_size(section_bytes, &adapter.limits(), &adapter::describe(&adapter))?;

        let kernel = Kernel::new(&bag.shape);
        let max_ids = case.cost().ids;
        let sizes = Sizes::new(&bag.shape, max_ids);
        let groups = kernel.sum_groups.max(kernel.head_groups.unwrap_or(1));
        let limits = adapter::limits_for(section_bytes.max(sizes.largest()), groups);
        let gpu = Gpu::open(&adapter, limits, engine.time_out)?;
        gpu.attempt(|| {
            let (sum_rows, dense) = gpu.create("the program", |device| pipelines(device, &kernel))?;
            let buffer = gpu.create("a buffer for the weights", |device| {
                device.create_buffer(&BufferDescriptor {
                    label: Some("section"),
                    size: section_bytes,
                    usage: BufferUsages::STORAGE | BufferUsages::COPY_DST,
                    mapped_at_creation: true,
                })
            })?;
            let mut view = buffer.get_mapped_range_mut(..).map_err(|error| {
                Unavailable::new(format!("the weights cannot be written: {error}"), "use the native engine")
            })?;
            // What is left of the last word is zero, as buffers are.
            view.slice(..section.len()).copy_from_slice(section);
            #[cfg(feature = "inject-faults")]
            if engine.fault == Some(crate::Fault::WrongBits) {
                let wrong = with_wrong_bits(section, &bag.shape);
                view.slice(..section.len()).copy_from_slice(&wrong);
            }
            drop(view);
            buffer.unmap();
            Ok((sum_rows, dense, buffer))
        })
        .map(|(sum_rows, dense, section)| {
            Self(Arc::new(Shared {
                sum_rows,
                dense,
                section,
                gpu,
                kernel,
                shape: bag.shape,
                max_ids,
                #[cfg(feature = "inject-faults")]
                fault: engine.fault,
            }))
        })
    }
}

impl Program for Prepared {
    fn device(&self) -> &str {
        self.0.gpu.name()
    }

    fn scorer(&self) -> Result<Box<dyn Scorer>, Unavailable> {
        let gpu = &self.0.gpu;
        let _turn = gpu.turn();
        let lane = gpu.attempt(|| gpu.create("buffers for a text", |device| Lane::new(device, &self.0)))?;
        Ok(Box::new(lane))
    }
}

impl Lane {
    fn new(device: &Device, shared: &Arc<Shared>) -> Self {
        let sizes = Sizes::new(&shared.shape, shared.max_ids);
        let buffer = |label, size, usage| {
            device.create_buffer(&BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let on_device = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let text_buffer = buffer("text", sizes.text, BufferUsages::STORAGE | BufferUsages::COPY_DST);
        let sums = buffer("sums", sizes.sums, on_device);
        let download = buffer("download", sizes.scores, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        let group = |pipeline: &ComputePipeline, buffers: &[(u32, &Buffer)]| {
            let entries: Vec<_> = buffers
                .iter()
                .map(|&(binding, buffer)| BindGroupEntry { binding, resource: buffer.as_entire_binding() })
                .collect();
            let layout = pipeline.get_bind_group_layout(0);
            device.create_bind_group(&BindGroupDescriptor { label: None, layout: &layout, entries: &entries })
        };
        let common = [(0, &shared.section), (1, &text_buffer), (2, &sums)];
        let sum_group = group(&shared.sum_rows, &common);
        let (output, dense_group) = match &shared.dense {
            None => (sums.clone(), None),
            Some(dense) => {
                let scores = buffer("scores", sizes.scores, on_device);
                let [section, text, sums] = common;
                let dense_group = group(dense, &[section, text, sums, (3, &scores)]);
                (scores, Some(dense_group))
            }
        };
        Self {
            shared: Arc::clone(shared),
            text: Vec::with_capacity(usize::try_from(sizes.text).unwrap_or(0)),
            text_buffer,
            output,
            download,
            mapped: Mapped::new(),
            sum_group,
            dense_group,
            #[cfg(feature = "inject-faults")]
            calls: 0,
        }
    }

    fn run(&mut self, ids: &[u32], scores: &mut [i32]) -> Result<(), Unavailable> {
        let Shared { gpu, kernel, shape, sum_rows, dense, .. } = self.shared.as_ref();
        let words = [ids.len() as u32, norm(shape.pooling, ids.len()).factor().cast_unsigned()];
        self.text.clear();
        self.text.extend(words.iter().chain(ids).flat_map(|word| word.to_le_bytes()));
        gpu.write(&self.text_buffer, &self.text);

        let mut encoder = gpu.device.create_command_encoder(&CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
        pass.set_pipeline(sum_rows);
        pass.set_bind_group(0, &self.sum_group, &[]);
        pass.dispatch_workgroups(kernel.sum_groups, 1, 1);
        if let (Some(dense), Some(group), Some(groups)) = (dense, &self.dense_group, kernel.head_groups) {
            pass.set_pipeline(dense);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(groups, 1, 1);
        }
        drop(pass);
        let bytes = self.download.size();
        encoder.copy_buffer_to_buffer(&self.output, 0, &self.download, 0, bytes);
        let time_out = self.time_out();
        gpu.run(encoder.finish(), (&self.download, bytes, &self.mapped), time_out, |bytes| {
            let (words, _) = bytes.as_chunks();
            for (score, word) in scores.iter_mut().zip(words) {
                *score = i32::from_le_bytes(*word);
            }
        })
    }

    /// Another limit than that of the device.
    fn time_out(&self) -> Option<Duration> {
        #[cfg(feature = "inject-faults")]
        if let Some(crate::Fault::TimeOut { after }) = self.shared.fault {
            return (self.calls > after).then_some(Duration::ZERO);
        }
        None
    }
}

impl Scorer for Lane {
    fn scores_into(&mut self, ids: &[u32], scores: &mut [i32]) -> Result<(), Unavailable> {
        let shared = Arc::clone(&self.shared);
        let classes = usize::from(shared.shape.classes);
        if ids.len() > shared.max_ids || scores.len() != classes {
            let (ids, scores, most) = (ids.len(), scores.len(), shared.max_ids);
            let cause = format!("{ids} ids for {scores} scores, the case has at most {most} for {classes}");
            return Err(Unavailable::new(cause, "take both from the case"));
        }
        let _turn = shared.gpu.turn();
        #[cfg(feature = "inject-faults")]
        {
            self.calls = self.calls.saturating_add(1);
            if matches!(shared.fault, Some(crate::Fault::DeviceLost { after }) if self.calls > after) {
                shared.gpu.device.destroy();
            }
        }
        shared.gpu.attempt(|| self.run(ids, scores))
    }
}

/// Bytes of a thread's buffers.
struct Sizes {
    text: u64,
    sums: u64,
    scores: u64,
}

impl Sizes {
    fn new(shape: &BagShape, max_ids: usize) -> Self {
        Self {
            text: 4 * (WORDS_BEFORE_IDS + max_ids as u64),
            sums: 4 * u64::from(shape.width),
            scores: 4 * u64::from(shape.classes),
        }
    }

    fn largest(&self) -> u64 {
        self.text.max(self.sums).max(self.scores)
    }
}

/// The norm of a text with `ids` ids, as the case computes it.
fn norm(pooling: Pooling, ids: usize) -> Norm {
    let count = u16::try_from(ids).unwrap_or(u16::MAX);
    match pooling {
        Pooling::Sum => Norm::SUM,
        Pooling::Mean => Norm::mean(count),
        Pooling::SquareRoot => Norm::square_root(count),
    }
}

fn pipelines(device: &Device, kernel: &Kernel) -> (ComputePipeline, Option<ComputePipeline>) {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("bag"),
        source: wgpu::ShaderSource::Wgsl(kernel.source.as_str().into()),
    });
    let pipeline = |entry_point| {
        device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(entry_point),
            layout: None,
            module: &module,
            entry_point: Some(entry_point),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every word is written before it is read.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        })
    };
    (pipeline("sum_rows"), kernel.head_groups.map(|_| pipeline("dense")))
}

/// The section with one bit of each row's first weight flipped.
#[cfg(feature = "inject-faults")]
fn with_wrong_bits(section: &[u8], shape: &BagShape) -> Vec<u8> {
    let mut section = section.to_vec();
    let weights = crate::kernel::Places::of(shape).weights as usize;
    let rows = section.get_mut(weights..).unwrap_or_default().chunks_mut(shape.row_bytes());
    rows.filter_map(|row| row.first_mut()).for_each(|byte| *byte ^= 4);
    section
}
