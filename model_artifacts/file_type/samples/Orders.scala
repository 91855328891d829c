package shop

import scala.util.{Failure, Success, Try}

final case class Order(id: Long, cents: Int)

object Orders {
  def parse(line: String): Try[Order] = Try {
    val Array(id, cents) = line.split(",").map(_.trim)
    Order(id.toLong, cents.toInt)
  }

  def main(args: Array[String]): Unit =
    scala.io.Source.stdin.getLines().map(parse).foreach {
      case Success(order) => println(order)
      case Failure(error) => Console.err.println(error.getMessage)
    }
}
