// SPDX-License-Identifier: MIT
#include "metrics/exposition.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <utility>

#include "metrics/label_text.h"

namespace pcap_zmq {
namespace {

constexpr double kNanosecond = 1e9;  // divided by: 20'000 / 1e9 is the double nearest to 0.00002
constexpr double kMicrosPerSecond = 1e6;

std::vector<std::string> SafeLabels(const Exposition::Labels& labels) {
  std::vector<std::string> safe;
  safe.reserve(labels.size());
  for (const std::string_view label : labels) {
    safe.push_back(LabelText(label));
  }
  return safe;
}

double Merged(Merge merge, double a, double b) {
  switch (merge) {
    case Merge::kMax:
      return std::max(a, b);
    case Merge::kMin:
      return std::min(a, b);
    case Merge::kSum:
      break;
  }
  return a + b;
}

prometheus::MetricType TypeOf(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return prometheus::MetricType::Counter;
    case MetricKind::kHistogram:
      return prometheus::MetricType::Histogram;
    case MetricKind::kGauge:
      break;
  }
  return prometheus::MetricType::Gauge;
}

prometheus::MetricFamily EmptyFamily(const MetricSpec& spec) {
  prometheus::MetricFamily family;
  family.name = spec.name;
  family.help = spec.help;
  family.type = TypeOf(spec.kind);
  return family;
}

prometheus::ClientMetric LabelledMetric(const MetricSpec& spec,
                                        const std::vector<std::string>& labels) {
  prometheus::ClientMetric metric;
  for (size_t i = 0; i < spec.label_count() && i < labels.size(); ++i) {
    prometheus::ClientMetric::Label label;
    label.name = spec.label_names[i];
    label.value = labels[i];
    metric.label.push_back(std::move(label));
  }
  return metric;
}

}  // namespace

void Exposition::Add(Metric metric, const Labels& labels, double value) {
  const auto [at, is_new] = values_[metric].try_emplace(SafeLabels(labels), value);
  if (!is_new) {
    at->second = Merged(Spec(metric).merge, at->second, value);
  }
}

void Exposition::Add(Metric metric, const Labels& labels, uint64_t value) {
  Add(metric, labels, static_cast<double>(value));
}

void Exposition::Add(Metric metric, const Labels& labels, const Counter& counter) {
  Add(metric, labels, counter.Value());
}

void Exposition::Add(Metric metric, const Labels& labels, const Gauge& gauge) {
  Add(metric, labels, static_cast<double>(gauge.Value()));
}

void Exposition::Add(Metric metric, const Labels& labels, const LatencyHistogram& histogram) {
  Histogram& sum = histograms_[metric][SafeLabels(labels)];
  for (size_t i = 0; i < sum.buckets.size(); ++i) {
    sum.buckets[i] += histogram.BucketValue(i);
  }
  sum.sum_seconds += static_cast<double>(histogram.SumMicros()) / kMicrosPerSecond;
}

std::string Exposition::Text() const {
  std::vector<prometheus::MetricFamily> families;
  for (const MetricSpec& spec : MetricCatalog()) {
    prometheus::MetricFamily family = EmptyFamily(spec);
    if (const auto values = values_.find(spec.id); values != values_.end()) {
      for (const auto& [labels, value] : values->second) {
        prometheus::ClientMetric& metric = family.metric.emplace_back(LabelledMetric(spec, labels));
        metric.counter.value = value;
        metric.gauge.value = value;
      }
    }
    if (const auto histograms = histograms_.find(spec.id); histograms != histograms_.end()) {
      for (const auto& [labels, histogram] : histograms->second) {
        auto& out = family.metric.emplace_back(LabelledMetric(spec, labels)).histogram;
        for (size_t i = 0; i < histogram.buckets.size(); ++i) {
          out.sample_count += histogram.buckets[i];
          if (i < LatencyHistogram::kBounds.size()) {
            const auto bound = static_cast<double>(LatencyHistogram::kBounds[i]) / kNanosecond;
            out.bucket.push_back({out.sample_count, bound});
          }
        }
        out.sample_sum = histogram.sum_seconds;
      }
    }
    if (!family.metric.empty()) {
      families.push_back(std::move(family));
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace pcap_zmq
