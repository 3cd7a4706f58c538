//! A graph that grows operator by operator. A value has the name of the operator or constant that it comes from.

use crate::proto::attribute_proto::AttributeType;
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    type_proto,
};

/// Length of an axis of an input or output.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Known(usize),
    /// Known when the graph runs.
    Named(&'static str),
}

/// The graph so far.
#[derive(Debug, Default)]
pub(crate) struct Graph(GraphProto);

impl Graph {
    pub(crate) fn new(name: &str) -> Self {
        // A graph must have a name.
        let name = if name.is_empty() { "case" } else { name };
        Self(GraphProto { name: Some(name.to_owned()), ..GraphProto::default() })
    }

    pub(crate) fn input(&mut self, name: &'static str, data: DataType, length: Length) -> &'static str {
        self.0.input.push(value(name, data, length));
        name
    }

    pub(crate) fn output(&mut self, name: &'static str, data: DataType, length: Length) {
        self.0.output.push(value(name, data, length));
    }

    /// A constant of 32-bit numbers.
    pub(crate) fn numbers(
        &mut self,
        name: &'static str,
        dims: &[usize],
        numbers: impl Iterator<Item = i32>,
    ) -> &'static str {
        let data = numbers.flat_map(i32::to_le_bytes).collect();
        self.constant(name, dims, DataType::Int32, data)
    }

    /// The sum of `input` over one axis, which goes away.
    pub(crate) fn sum(&mut self, name: &'static str, input: &str, axis: (&'static str, i64)) -> &'static str {
        let axes = self.constant(axis.0, &[1], DataType::Int64, axis.1.to_le_bytes().to_vec());
        let keepdims = AttributeProto {
            name: Some("keepdims".to_owned()),
            r#type: Some(AttributeType::Int.into()),
            i: Some(0),
        };
        self.node("ReduceSum", name, &[input, axes], vec![keepdims])
    }

    /// An operator without attributes.
    pub(crate) fn op(&mut self, op: &str, name: &'static str, inputs: &[&str]) -> &'static str {
        self.node(op, name, inputs, Vec::new())
    }

    pub(crate) fn finish(self) -> GraphProto {
        self.0
    }

    fn node(
        &mut self,
        op: &str,
        name: &'static str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> &'static str {
        self.0.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.to_owned()],
            name: Some(name.to_owned()),
            op_type: Some(op.to_owned()),
            domain: None,
            attribute,
        });
        name
    }

    fn constant(
        &mut self,
        name: &'static str,
        dims: &[usize],
        data: DataType,
        bytes: Vec<u8>,
    ) -> &'static str {
        self.0.initializer.push(TensorProto {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: Some(data.into()),
            name: Some(name.to_owned()),
            raw_data: Some(bytes),
        });
        name
    }
}

/// A value of one axis.
fn value(name: &str, data: DataType, length: Length) -> ValueInfoProto {
    let length = match length {
        Length::Known(length) => dimension::Value::DimValue(length as i64),
        Length::Named(name) => dimension::Value::DimParam(name.to_owned()),
    };
    let shape = TensorShapeProto { dim: vec![Dimension { value: Some(length) }] };
    let tensor = type_proto::Tensor { elem_type: Some(data.into()), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)) }),
    }
}
