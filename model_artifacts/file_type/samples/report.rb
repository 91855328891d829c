require "csv"
require "date"

class Report
  attr_reader :rows

  def initialize(path)
    @rows = CSV.read(path, headers: true)
  end

  def total_by_month
    rows.group_by { |row| Date.parse(row["date"]).strftime("%Y-%m") }
        .transform_values { |group| group.sum { |row| row["amount"].to_f } }
  end
end

Report.new(ARGV.fetch(0)).total_by_month.sort.each do |month, total|
  puts format("%s %10.2f", month, total)
end
